"""Padding at the edges of grids: repeated rows, and longitudes that close the circle."""

from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["close_circle", "pad_to_multiple"]


def pad_to_multiple(
    fields: Float[Tensor, "n c h w"], factor: int, *, periodic_longitude: bool = False
) -> Float[Tensor, "n c padded_h padded_w"]:
    """Repeat the last row and column until both sizes are multiples of `factor`.

    On a circle of longitudes, the first columns follow the last one. A grid that fits already
    is given back as it is. The caller crops the result of its network to the first `h` rows
    and `w` columns.
    """
    height, width = fields.shape[-2:]
    below, right = -height % factor, -width % factor
    if below == right == 0:
        return fields
    if periodic_longitude:
        fields, right = F.pad(fields, (0, right, 0, 0), mode="circular"), 0
    return F.pad(fields, (0, right, 0, below), mode="replicate")


def close_circle(network: nn.Module) -> None:
    """Let every convolution and pooling see across the edge between last and first longitude.

    For grids that go round the globe, with longitude as the last axis; where a kernel reaches
    further than that, it goes round again. Rows and frames are padded as before; weights keep their
    names.
    """
    for part in network.modules():
        if isinstance(part, nn.ConvTranspose2d):
            _close_transposed(part)
        elif isinstance(part, nn.Conv2d | nn.Conv3d | nn.AvgPool2d):
            _close(part)


def _close(part: nn.Conv2d | nn.Conv3d | nn.AvgPool2d) -> None:
    """Pad the input round the circle in place of the layer's own padding of columns."""
    if isinstance(part.padding, str):
        return
    number = 3 if isinstance(part, nn.Conv3d) else 2
    padding = (part.padding,) * number if isinstance(part.padding, int) else part.padding
    if padding[-1] > 0:
        part.register_forward_pre_hook(partial(_pad_longitude, width=padding[-1]))
        part.padding = (*padding[:-1], 0)


def _close_transposed(part: nn.ConvTranspose2d) -> None:
    """Feed columns from across the edge and take away what they become outside of it."""
    kernel, stride = part.kernel_size[-1], part.stride[-1]
    width = -(-kernel // stride)  # no kernel reaches further
    part.register_forward_pre_hook(partial(_pad_longitude, width=width))
    part.register_forward_hook(partial(_crop_longitude, width=width * stride))


def _pad_longitude(_part: nn.Module, inputs: tuple[Any, ...], *, width: int) -> tuple[Any, ...]:
    """Put the last columns before the first ones and the first ones after the last ones."""
    fields: Tensor = inputs[0]
    size = fields.shape[-1]
    if width <= size and fields.ndim == 4:
        if fields.device.type == "cpu" and _has_channels_last(fields):
            return (_closed(fields, width), *inputs[1:])
        return (F.pad(fields, (width, width, 0, 0), mode="circular"), *inputs[1:])
    columns = torch.arange(-width, size + width, device=fields.device) % size
    return (fields[..., columns], *inputs[1:])


def _has_channels_last(fields: Tensor) -> bool:
    """Tell whether channels lie last in memory, a field's points one after the other."""
    _, channels, _, columns = fields.shape
    # By strides: `is_contiguous` of this order cannot be asked inside `torch.func.vmap`, and does
    # not tell the order that one channel is to have.
    return fields.stride()[1:] == (1, columns * channels, channels)


def _closed(fields: Tensor, width: int) -> Tensor:
    """Close the circle of fields whose channels lie last in memory."""
    if torch.compiler.is_compiling():  # which knows no function with a derivative forward
        return _CloseCircle.forward(fields, width)
    closed: Tensor = _CloseCircle.apply(fields, width)  # type: ignore[no-untyped-call]
    return closed


class _CloseCircle(torch.autograd.Function):
    """Circular padding that leaves channels last in memory, one pass each way.

    PyTorch's own brings fields to the default order; the convolution then brings them back, or
    takes a routine that is several times slower, and its gradient passes over memory three times.
    Like it, this can be differentiated twice and transformed by `torch.func`.
    """

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        del output
        ctx.width = inputs[1]

    @staticmethod
    def forward(fields: Tensor, width: int) -> Tensor:
        number, channels, height, columns = fields.shape
        last = fields.permute(0, 2, 3, 1)
        closed = last.new_empty(number, height, columns + 2 * width, channels)
        closed[:, :, width:-width] = last
        closed[:, :, :width] = last[:, :, columns - width :]
        closed[:, :, -width:] = last[:, :, :width]
        return closed.permute(0, 3, 1, 2)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        width = ctx.width
        last = outer[0].permute(0, 2, 3, 1)
        gradient = last[:, :, width:-width].clone(memory_format=torch.contiguous_format)
        gradient[:, :, -width:] += last[:, :, :width]
        gradient[:, :, :width] += last[:, :, -width:]
        return gradient.permute(0, 3, 1, 2), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return _closed(tangents[0], ctx.width)


def _crop_longitude(
    _part: nn.Module, _inputs: tuple[Any, ...], output: Tensor, *, width: int
) -> Tensor:
    """Take columns away on both sides."""
    return output[..., width:-width]
