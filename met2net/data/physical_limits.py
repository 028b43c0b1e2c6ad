"""Refuse what cannot be weather: other units than said, and numbers that stand for "no value".

The limits are those of the table of variables, the same for an archive, for the inputs of a
forecast, and for a served model, which carries this module with its code.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from met2net.data.grid import Grid
from met2net.data.variables import Variable, channel, is_channel

__all__ = ["check_inputs", "describe_limits"]

_FEW = 0.1  # of the points: so many outside are a broken field, more are another unit
_SLACK = 1e-6  # of the range: what normalizing in float32 and back may add to a value at its end
# Units that a variable is often given in by mistake: how, times what, plus what makes the right.
_MISTAKES: Mapping[str, tuple[str, float, float]] = {
    "K": ("degrees Celsius", 1.0, 273.15),
    "Pa": ("hPa", 100.0, 0.0),
    "1": ("%", 0.01, 0.0),
    "m": ("mm", 1e-3, 0.0),
    "kg kg-1": ("g kg-1", 1e-3, 0.0),
}


def check_inputs(
    inputs: Float[np.ndarray, "b t c h w"],
    labels: Sequence[str],
    *,
    grid: Grid,
    hours: Sequence[str] = (),
) -> None:
    """Refuse inputs with a value that weather on Earth cannot have.

    Channels that are no weather (image sequences) have no limits.

    Args:
        inputs: finite values, physical units.
        labels: of the channels, in order.
        grid: of the fields, to say where.
        hours: of the frames, to say when; empty: frames are counted from 0.

    Raises:
        ValueError: naming variable, place and value of the first offence, and the limits.
    """
    for position, label in enumerate(labels):
        if not is_channel(label):
            continue
        table, fields = channel(label).variable, inputs[:, :, position]
        low, high = table.valid_range
        slack = _SLACK * (high - low)
        is_bad = (fields < low - slack) | (fields > high + slack)
        if is_bad.any():
            sample, frame, row, column = np.argwhere(is_bad)[0]
            when = hours[frame] if hours else f"frame {frame} of sample {sample}"
            raise ValueError(
                f"{label} ({table.long_name}) is {fields[sample, frame, row, column]:g} "
                f"{table.units} at {when}, latitude {grid.latitude[row]:g}, longitude "
                f"{grid.longitude[column]:g} (and {is_bad.sum() - 1} more values); "
                + describe_limits(fields[sample, frame], table)
            )


def describe_limits(field: Float[np.ndarray, "h w"], table: Variable) -> str:
    """Say what was expected of a field, and in which units it would be possible weather."""
    low, high = table.valid_range
    expected = f"expected within {low:g} to {high:g} {table.units}"
    found = field[~np.isnan(field)]
    if ((found < low) | (found > high)).mean() <= _FEW:
        return expected
    units, factor, shift = _MISTAKES.get(table.units, ("", 1.0, 0.0))
    other = found * factor + shift
    fits = bool(units) and low <= other.min() and other.max() <= high
    if shift == 0:  # a smaller unit makes numbers larger: nothing explains a negative one
        fits = fits and (factor < 1) == (found.max() > high)
    return expected + (f" (the whole field looks like {units})" if fits else "")
