"""A network's settings, fitted to the data that it is trained on."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from met2net.data.channel_groups import channel_labels
from met2net.data.channel_roles import hidden_places
from met2net.data.grid import Grid
from met2net.data.static_fields import STATIC_VARIABLES
from met2net.data.windows import WindowSpec
from met2net.forecasting.linear_form import linear_settings
from met2net.models.build import find_class
from met2net.models.known_inputs import KnownInputs
from met2net.models.linear_reference import LinearReference
from met2net.models.longitudes import with_periodic_longitude
from met2net.models.mirrored_hemispheres import (
    MirroredHemispheres,
    check_hemispheres,
    odd_channels,
)
from met2net.models.own_classes import dotted_name
from met2net.models.seasonal_cycle import NUM_SEASONS

__all__ = ["asked_static_fields", "settings_for", "settings_on_grid"]


def settings_for(
    network: Mapping[str, Any],
    *,
    variables: Mapping[str, Sequence[str]],
    grid: Grid,
    climatology_shape: tuple[int, ...],
    window: WindowSpec,
    masked: Sequence[str] = (),
    static: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Say in a network's settings what follows from data: variables and frames, too.

    What the settings say themselves stays.

    Args:
        network: settings, which may leave `variables`, `num_inputs` and `num_targets` out.
        variables: groups of channels.
        grid: of the fields.
        climatology_shape: its first two axes are days and hours of day.
        window: the frames.
        masked: channels that lack a value somewhere.
        static: content of the static fields that there are, by name.

    Raises:
        TypeError: if `network` is no settings.
        ValueError: if settings name no class that may be built.
    """
    if not isinstance(network, Mapping):
        raise TypeError(
            f"network is {network!r}; expected settings, as `settings_of(Met2Net, latent_dim=64)` "
            "gives them"
        )
    given = {
        "variables": {name: list(labels) for name, labels in variables.items()},
        "num_inputs": window.num_inputs,
        "num_targets": window.num_targets,
    }
    return settings_on_grid(
        _with(network, given), grid, climatology_shape=climatology_shape, window=window,
        masked=masked, static=static,
    )  # fmt: skip


def settings_on_grid(
    network: Mapping[str, Any],
    grid: Grid,
    *,
    climatology_shape: tuple[int, ...],
    window: WindowSpec,
    masked: Sequence[str] = (),
    static: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Say in a network's settings what follows from the grid.

    Where it goes round the globe, the network sees across the edge of longitudes; where the
    settings say `periodic_longitude` themselves, that holds on any grid. A linear forecast that the
    network corrects gets the form that suits frames, grid and climatology; fields known in advance
    get the grid, the channels that lack a value somewhere where the mask is among them, and the
    content of the static fields among them.

    Raises:
        ValueError: if a network is to see what the data do not have, or a mirror does not fit.
    """
    settings = _completed(
        network,
        grid,
        climatology_shape=climatology_shape,
        window=window,
        masked=masked,
        static=static or {},
        variables={},
    )
    return with_periodic_longitude(settings) if grid.is_periodic else settings


def _with(network: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Add arguments that a network lacks, to the networks inside it too."""
    settings = dict(network)
    takes = inspect.signature(find_class(settings.get("_target_"))).parameters
    for key, value in given.items():
        # An inner network's variables are completed by the one around it.
        is_due = key != "variables" or not settings.get("_partial_", False)
        if key in takes and key not in settings and is_due:
            settings[key] = value
    if isinstance(settings.get("forecaster"), Mapping):
        settings["forecaster"] = _with(settings["forecaster"], given)
    return settings


def _completed(
    network: Mapping[str, Any],
    grid: Grid,
    *,
    climatology_shape: tuple[int, ...],
    window: WindowSpec,
    variables: Mapping[str, Sequence[str]],
    masked: Sequence[str],
    static: Mapping[str, str],
) -> dict[str, Any]:
    """Fill in what the wrappers of a network ask of the data.

    `variables` are those of the wrapper around it, where it says none itself.
    """
    settings = dict(network)
    variables = settings.get("variables", variables)
    if isinstance(settings.get("forecaster"), Mapping):
        settings["forecaster"] = _completed(
            settings["forecaster"], grid, climatology_shape=climatology_shape, window=window,
            masked=masked, static=static, variables=variables,
        )  # fmt: skip
    days, num_hours = climatology_shape[:2]
    if settings["_target_"] == dotted_name(KnownInputs):
        settings |= {
            "input_hours": list(window.input_hours),
            "target_hours": list(window.target_hours),
            "latitude": list(grid.latitude),
            "longitude": list(grid.longitude),
            "num_seasons": 1 if days == 1 else NUM_SEASONS,
            "num_hours": num_hours,
        }
        if "valid_mask" in settings["fields"]:
            if not masked:
                raise ValueError(
                    "known inputs have valid_mask, but every point of the training set has a "
                    "value; expected a channel that lacks some, such as sst"
                )
            settings["masked"] = list(masked)
        asked = [name for name in settings["fields"] if name in STATIC_VARIABLES]
        absent = [name for name in asked if name not in static]
        if absent:
            raise ValueError(
                f"known inputs have {', '.join(absent)}, and the training set has "
                f"{', '.join(static) or 'no static fields'}; expected all of {', '.join(asked)}"
            )
        if asked:
            settings["static"] = {name: static[name] for name in asked}
    if settings["_target_"] == dotted_name(MirroredHemispheres):
        check_hemispheres(grid.latitude)
        if masked:
            raise ValueError(
                f"mirrored_hemispheres is true, and {', '.join(masked)} lack values at some "
                "points; expected values everywhere, since the mask is not mirrored"
            )
        settings.setdefault("odd", odd_channels(channel_labels(variables)))
    if settings["_target_"] == dotted_name(LinearReference):
        settings["linear"] = linear_settings(
            window,
            shape=(len(channel_labels(variables)), *grid.shape),
            climatology_shape=climatology_shape,
            periodic_longitude=grid.is_periodic,
            hidden=hidden_places(window, channel_labels(variables)),
        )
    return settings


def asked_static_fields(network: Any) -> tuple[str, ...]:
    """Name the static fields that a network of some settings is to see, in order."""
    if not isinstance(network, Mapping):
        return ()
    is_told = network.get("_target_") == dotted_name(KnownInputs)
    own = [name for name in network.get("fields", ()) if is_told and name in STATIC_VARIABLES]
    return tuple(dict.fromkeys([*own, *asked_static_fields(network.get("forecaster"))]))
