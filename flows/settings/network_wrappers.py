"""Networks inside others, as plain settings: one a variable, or relative to the last frame."""

from collections.abc import Mapping
from typing import Any

from met2net.models.baselines.per_variable import PerVariable
from met2net.models.linear_reference import LinearReference
from met2net.models.reference_frame import ReferenceFrame

__all__ = ["wrapped_network"]


_REFERENCES: dict[str, type | None] = {
    "none": None,
    "last_input": ReferenceFrame,
    "linear": LinearReference,
}


def wrapped_network(node: Mapping[str, Any]) -> dict[str, Any]:
    """Give the network of a model's settings, wrapped as they say.

    Args:
        node: `network`; `reference_frame`: `none`, `last_input` or `linear`; maybe
            `per_variable: true`.

    Raises:
        ValueError: if there is no such reference frame.
    """
    network, reference_frame = dict(node["network"]), node["reference_frame"]
    if node.get("per_variable", False):
        network = _around(network, PerVariable)
    if reference_frame not in _REFERENCES:
        raise ValueError(
            f"reference_frame is {reference_frame!r}; expected {', '.join(_REFERENCES)}"
        )
    wrapper = _REFERENCES[reference_frame]
    return network if wrapper is None else _around(network, wrapper)


def _around(network: Mapping[str, Any], wrapper: type) -> dict[str, Any]:
    """Put a network's settings into a wrapper, which then says what variables it forecasts."""
    inner = {key: value for key, value in network.items() if key != "variables"}
    return {
        "_target_": f"{wrapper.__module__}.{wrapper.__name__}",
        "variables": network["variables"],
        "forecaster": {**inner, "_partial_": True},
    }
