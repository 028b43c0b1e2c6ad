"""What network and objective take from a training set before training begins."""

from collections.abc import Callable

import torch
from torch import nn

from met2net.data.channel_roles import forecast_channels, hidden_places, seen_channels
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.forecasting.ridge import Ridge
from met2net.models.known_inputs import KnownInputs
from met2net.models.linear_reference import LinearReference
from met2net.models.reference_frame import ReferenceFrame
from met2net.models.wrapper import Wrapper
from met2net.training.objective import Objective

__all__ = ["fit_objective", "set_any_references", "set_references"]


def set_references(
    network: nn.Module, data: TrainingSet, *, window: WindowSpec, ridge: Callable[[], Ridge]
) -> None:
    """Give every wrapper of a network the numbers that are not trained.

    Args:
        network: with or without wrappers.
        data: gives the scale of differences.
        window: says which channels are not seen: their differences are those from their mean.
        ridge: fits, or reads, the regression of the training split; asked only if it is needed.

    Raises:
        ValueError: if the numbers do not fit the network.
    """
    if not isinstance(network, Wrapper):
        return
    hidden = hidden_places(window, data.channels)
    differences = data.difference_std.copy()
    differences[hidden] = data.std[hidden]
    scale = torch.from_numpy(differences / data.normalizer.std)
    if isinstance(network, ReferenceFrame):
        network.set_scale(scale)
    elif isinstance(network, LinearReference):
        fitted = ridge()
        network.set_linear(fitted.forecast, scale=scale, residual=torch.from_numpy(fitted.residual))
    elif isinstance(network, KnownInputs):
        network.fit_climatology(data.climatology)
        network.set_valid_points(data.valid)
        network.set_static_fields({name: data.static_field(name) for name in network.static_names})
    set_references(network.forecaster, data, window=window, ridge=ridge)


def fit_objective(objective: Objective, data: TrainingSet, *, window: WindowSpec) -> None:
    """Tell an objective what counts: areas, points with a value, channels that are forecast.

    Raises:
        ValueError: if nothing does.
    """
    objective.set_area_weights(torch.from_numpy(data.grid.area_weights()).float())
    if data.valid is None and window.input_only is None and window.output_only is None:
        return
    shape = (len(data.channels), *data.grid.shape)
    valid = torch.ones(shape, dtype=torch.bool) if data.valid is None else data.valid.tensor
    asked, seen = (
        torch.tensor([label in some for label in data.channels])
        for some in (
            forecast_channels(window, data.channels), seen_channels(window, data.channels),
        )
    )  # fmt: skip
    objective.set_valid_points(valid, asked=asked, seen=seen)


def set_any_references(network: nn.Module) -> None:
    """Give every wrapper of a network numbers to run with, where forecasts are not looked at."""
    if not isinstance(network, Wrapper):
        return
    if isinstance(network, ReferenceFrame):
        network.set_scale(torch.ones_like(network.scale))
    elif isinstance(network, LinearReference):
        network.set_linear(
            network.linear,
            scale=torch.ones_like(network.scale),
            residual=torch.ones_like(network.residual),
        )
    set_any_references(network.forecaster)
