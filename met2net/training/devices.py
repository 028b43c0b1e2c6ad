"""Training on several devices: each has its own process and its own samples."""

from collections.abc import Sequence
from itertools import groupby

import torch
import torch.distributed as dist
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

__all__ = ["DataParallel", "average_gradients", "copy_from_first_device", "sum_over_devices"]


class DataParallel(DDPStrategy):
    """Lightning's processes and communication for `ForecastModule`, without PyTorch's wrapper.

    That wrapper averages gradients during one single backward pass through all weights.
    `ForecastModule` goes backward several times a step and averages afterwards, in one message:
    a few milliseconds for ten million weights.
    """

    def configure_ddp(self) -> None:
        """Leave the module as it is."""


def num_devices() -> int:
    """Give the number of processes that train together."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


@torch.no_grad()
def sum_over_devices(tensors: Sequence[Tensor]) -> None:
    """Replace each tensor by its sum over devices, with one message for each number format."""
    if num_devices() == 1:
        return
    for _, group in groupby(sorted(tensors, key=_format), key=_format):
        members = list(group)
        message = torch.cat([tensor.reshape(-1) for tensor in members])
        dist.all_reduce(message)
        sizes = [tensor.numel() for tensor in members]
        for tensor, summed in zip(members, torch.split(message, sizes), strict=True):
            tensor.copy_(summed.view_as(tensor))


@torch.no_grad()
def average_gradients(network: nn.Module, *, share: float) -> None:
    """Divide summed gradients by the samples they came from, over all devices.

    Running statistics of batch normalizations are averaged too, so that after every step all
    devices hold the same numbers.

    Args:
        network: with gradients that are sums over samples, in units of full batches.
        share: samples that this device's gradients came from, in full batches.
    """
    gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
    if num_devices() == 1:
        if share != 1:
            torch._foreach_div_(gradients, share)
        return
    statistics = [
        buffer
        for part in network.modules()
        if isinstance(part, nn.modules.batchnorm._BatchNorm)
        for buffer in (part.running_mean, part.running_var)
        if buffer is not None
    ]
    shares = torch.full((1,), share, device=next(network.parameters()).device)
    sum_over_devices([*gradients, *statistics, shares])
    for gradient in gradients:
        gradient.div_(shares)
    for statistic in statistics:
        statistic.div_(num_devices())


@torch.no_grad()
def copy_from_first_device(module: nn.Module) -> None:
    """Give all devices the first one's weights and buffers."""
    if num_devices() > 1:
        for tensor in module.state_dict().values():
            dist.broadcast(tensor, src=0)


def _format(tensor: Tensor) -> str:
    """Name a tensor's number format."""
    return str(tensor.dtype)
