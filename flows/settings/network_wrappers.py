"""Networks inside others, as plain settings: one a variable, or relative to the last frame."""

from collections.abc import Mapping
from typing import Any

from met2net.data.channel_groups import channel_labels
from met2net.data.windows import WindowSpec
from met2net.forecasting.linear_form import linear_settings
from met2net.models.baselines.per_variable import PerVariable
from met2net.models.known_inputs import KnownInputs
from met2net.models.linear_reference import LinearReference
from met2net.models.mirrored_hemispheres import MirroredHemispheres, odd_channels
from met2net.models.own_classes import dotted_name
from met2net.models.reference_frame import ReferenceFrame

__all__ = ["wrapped_network"]


_REFERENCES: dict[str, type | None] = {
    "none": None,
    "last_input": ReferenceFrame,
    "linear": LinearReference,
}


def wrapped_network(node: Mapping[str, Any], *, window: WindowSpec) -> dict[str, Any]:
    """Give the network of a model's settings, wrapped as they say.

    What depends on the data (the form of a linear forecast, grid, climatology) is that of a single
    point here, and completed with the training set (`pipelines.training.network_grid`).

    Args:
        node: `network`; `reference_frame`: `none`, `last_input` or `linear`; maybe
            `known_inputs`, a list of fields, `mirrored_hemispheres: true` and `per_variable: true`.
        window: frames.

    Raises:
        ValueError: if there is no such reference frame.
    """
    network, reference_frame = dict(node["network"]), node["reference_frame"]
    if node.get("per_variable", False):
        network = _around(network, PerVariable)
    if node.get("mirrored_hemispheres", False):
        network = _around(network, MirroredHemispheres)
        network["odd"] = odd_channels(channel_labels(network["variables"]))
    known = list(node.get("known_inputs", []))
    if known:
        network = _around(network, KnownInputs)
        network |= {
            "fields": known, "input_hours": list(window.input_hours),
            "target_hours": list(window.target_hours), "latitude": [0.0], "longitude": [0.0],
        }  # fmt: skip
    if reference_frame not in _REFERENCES:
        raise ValueError(
            f"reference_frame is {reference_frame!r}; expected {', '.join(_REFERENCES)}"
        )
    wrapper = _REFERENCES[reference_frame]
    if wrapper is None:
        return network
    wrapped = _around(network, wrapper)
    if wrapper is LinearReference:
        shape = (len(channel_labels(network["variables"])), 1, 1)
        wrapped["linear"] = linear_settings(window, shape=shape, climatology_shape=(1, 1))
    return wrapped


def _around(network: Mapping[str, Any], wrapper: type) -> dict[str, Any]:
    """Put a network's settings into a wrapper, which then says what variables it forecasts."""
    inner = {key: value for key, value in network.items() if key != "variables"}
    return {
        "_target_": dotted_name(wrapper),
        "variables": network["variables"],
        "forecaster": {**inner, "_partial_": True},
    }
