"""What stands beside an analysis: how the channels are distributed, what the networks cost."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from met2net.data.valid_points import ValidPoints
from met2net.models.wrapper import run_network

__all__ = ["channel_densities", "network_costs"]

_NUM_BINS = 81
_VALUE_LIMIT = 5.0  # standard deviations
_QUANTILE = 0.9999  # of changes; their bins reach as far


def channel_densities(
    inputs: Sequence[Float[Tensor, "b t c h w"]],
    *,
    channels: Sequence[str],
    step_hours: int,
    valid: ValidPoints | None = None,
) -> xr.Dataset:
    """Count normalized values and their changes from one frame to the next.

    Args:
        inputs: batches of normalized frames.
        channels: labels.
        step_hours: between the last two frames, whose difference is taken.
        valid: points with a value, the others are not counted; None: all of them.

    Returns:
        `value_density(channel, value_bin)`, and `change_density(channel, change_bin)` where
        there is more than one frame; bins are centres, in standard deviations of the
        normalization, and what lies outside is in the outermost ones.
    """
    values = (_by_channel(x, valid) for x in inputs)
    parts = [_densities("value", values, channels=channels, limit=_VALUE_LIMIT)]
    if inputs[0].shape[1] > 1:
        changes = [_by_channel(x[:, -1] - x[:, -2], valid) for x in inputs]
        every = np.concatenate([np.concatenate(rows) for rows in zip(*changes, strict=True)])
        limit = float(np.quantile(np.abs(every), _QUANTILE)) or 1.0
        parts.append(_densities("change", changes, channels=channels, limit=limit))
    return xr.merge(parts).assign_attrs(change_hours=step_hours)


def _by_channel(
    fields: Float[Tensor, "*batch c h w"], valid: ValidPoints | None
) -> list[np.ndarray]:
    """Give the values of every channel, in a row."""
    rows = fields.movedim(-3, 0)
    masks = [None] * len(rows) if valid is None else list(valid.tensor)
    return [
        (row if mask is None else row[..., mask]).flatten().numpy()
        for row, mask in zip(rows, masks, strict=True)
    ]


def _densities(
    name: str, batches: Iterable[Sequence[np.ndarray]], *, channels: Sequence[str], limit: float
) -> xr.Dataset:
    """Count every channel's values (rows of the batches) in even bins from -limit to limit."""
    edges = np.linspace(-limit, limit, _NUM_BINS + 1)
    counts = np.zeros((len(channels), _NUM_BINS))
    for batch in batches:
        inside = [np.clip(row, edges[0], edges[-1]) for row in batch]
        counts += np.stack([np.histogram(row, bins=edges)[0] for row in inside])
    density = counts / counts.sum(axis=1, keepdims=True) / (edges[1] - edges[0])
    return xr.Dataset(
        {f"{name}_density": (("channel", f"{name}_bin"), density, {"units": "1"})},
        coords={"channel": list(channels), f"{name}_bin": (edges[:-1] + edges[1:]) / 2},
    )


def network_costs(
    networks: Mapping[str, nn.Module],
    inputs: Float[Tensor, "b t c h w"],
    init_time: Int64[Tensor, " b"],
) -> xr.Dataset:
    """Count parameters of networks, and multiply-adds of one forecast of one window.

    Multiply-adds are those of matrix products and convolutions, as PyTorch counts them.

    Returns:
        `parameters(network)` and `multiply_adds(network)`.
    """
    parameters, multiply_adds = [], []
    for network in networks.values():
        parameters.append(sum(p.numel() for p in network.parameters()))
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            run_network(network, inputs[:1], init_time[:1])
        multiply_adds.append(counter.get_total_flops() // 2)
    return xr.Dataset(
        {
            "parameters": ("network", parameters, {"units": "1"}),
            "multiply_adds": ("network", multiply_adds, {"units": "1"}),
        },
        coords={"network": list(networks)},
    )
