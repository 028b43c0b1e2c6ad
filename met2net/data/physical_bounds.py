"""Bounds that a quantity cannot leave: shares and amounts that a network may overshoot a little.

`met2net.data.physical_limits` refuses what cannot be weather; here a forecast of 1.02 cloud cover
becomes 1. Off unless asked for: the published networks are not bounded.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from met2net.data.variables import channel, is_channel

__all__ = ["BOUNDS", "bounds_of", "within_bounds"]

BOUNDS: Mapping[str, tuple[float, float]] = {
    "total_cloud_cover": (0.0, 1.0),
    "total_precipitation": (0.0, np.inf),
    "toa_incident_solar_radiation": (0.0, np.inf),
    "10m_wind_speed": (0.0, np.inf),
    "2m_relative_humidity": (0.0, np.inf),
    "relative_humidity": (0.0, np.inf),
    "specific_humidity": (0.0, np.inf),
}
"""CDS long name -> smallest and largest possible value, in the table's units; relative humidity
has no upper one, since air may be supersaturated."""


def bounds_of(
    labels: Sequence[str], *, own: Mapping[str, tuple[float, float]] | None = None
) -> dict[int, tuple[float, float]]:
    """Give the bounds of channels, by place.

    Args:
        labels: of the channels, in order.
        own: channel label -> bounds in its units, beside or in place of those of `BOUNDS`.

    Raises:
        ValueError: if `own` has other channels, or a smallest value that is not below the largest.
    """
    own = dict(own or {})
    others = sorted(set(own) - set(labels))
    if others:
        raise ValueError(f"bounds has {', '.join(others)}; expected some of: {', '.join(labels)}")
    for label, (low, high) in own.items():
        if not low < high:
            raise ValueError(f"bounds of {label} are {low} to {high}; expected low < high")
    weather = [label for label in labels if is_channel(label)]
    known = {label: BOUNDS.get(channel(label).variable.name) for label in weather}
    found = {place: own.get(label, known.get(label)) for place, label in enumerate(labels)}
    return {place: bounds for place, bounds in found.items() if bounds is not None}


def within_bounds(
    fields: Float[np.ndarray, "b t c h w"], bounds: Mapping[int, tuple[float, float]]
) -> Float[np.ndarray, "b t c h w"]:
    """Give fields whose channels, by place, stay within bounds; the others are as they were."""
    bounded = fields.copy() if bounds else fields
    for place, (low, high) in bounds.items():
        np.clip(fields[:, :, place], low, high, out=bounded[:, :, place])
    return bounded
