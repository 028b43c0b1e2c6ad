"""The interlaced grids of every n-th row and column."""

from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

__all__ = ["interlace", "join_interlaced"]


def interlace(
    fields: Float[Tensor, "n d h w"], step: int
) -> Float[Tensor, "n_step_step d h_over_step w_over_step"]:
    """Give the step * step grids of every `step`-th row and column as samples of one batch.

    Where a grid would be shorter than the first one, zeros fill it up. Channels lie last in
    memory. One pass over memory; so is its gradient, which is `join_interlaced`.
    """
    if torch.compiler.is_compiling():  # which knows no function with a derivative forward
        return _split(fields, step)
    parts: Tensor = _Interlace.apply(fields, step)  # type: ignore[no-untyped-call]
    return parts


def join_interlaced(
    parts: Float[Tensor, "n_step_step d h_over_step w_over_step"],
    step: int,
    *,
    grid: tuple[int, int],
) -> Float[Tensor, "n d h w"]:
    """Undo `interlace`: take the points of `grid` (rows, columns), leave out what filled up."""
    if torch.compiler.is_compiling():
        return _merge(parts, step, grid)
    fields: Tensor = _Join.apply(parts, step, grid)  # type: ignore[no-untyped-call]
    return fields


class _Interlace(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, int], output: Tensor) -> None:
        del output
        ctx.step, ctx.grid = inputs[1], tuple(inputs[0].shape[-2:])

    @staticmethod
    def forward(fields: Tensor, step: int) -> Tensor:
        return _split(fields, step)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None]:
        return join_interlaced(outer[0], ctx.step, grid=ctx.grid), None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return interlace(tangents[0], ctx.step)


class _Join(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def setup_context(
        ctx: Any, inputs: tuple[Tensor, int, tuple[int, int]], output: Tensor
    ) -> None:
        del output
        _, ctx.step, ctx.grid = inputs

    @staticmethod
    def forward(parts: Tensor, step: int, grid: tuple[int, int]) -> Tensor:
        return _merge(parts, step, grid)

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None]:
        return interlace(outer[0], ctx.step), None, None

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        return join_interlaced(tangents[0], ctx.step, grid=ctx.grid)


def _split(fields: Tensor, step: int) -> Tensor:
    """Copy every grid to its place."""
    last = rearrange(fields, "n d h w -> n h w d")
    number, height, width, dim = last.shape
    rows, columns = -(-height // step), -(-width // step)
    is_full = height % step == width % step == 0
    make = last.new_empty if is_full else last.new_zeros
    parts = make(number, step, step, rows, columns, dim)
    for i in range(step):
        for j in range(step):
            own = last[:, i::step, j::step]
            parts[:, i, j, : own.shape[1], : own.shape[2]] = own
    return rearrange(parts, "n i j h w d -> (n i j) d h w")


def _merge(parts: Tensor, step: int, grid: tuple[int, int]) -> Tensor:
    """Copy every grid back."""
    last = rearrange(parts, "(n i j) d h w -> n i j h w d", i=step, j=step)
    fields = last.new_empty(last.shape[0], *grid, last.shape[-1])
    for i in range(step):
        for j in range(step):
            own = fields[:, i::step, j::step]
            own.copy_(last[:, i, j, : own.shape[1], : own.shape[2]])
    return rearrange(fields, "n h w d -> n d h w")
