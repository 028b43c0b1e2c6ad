"""Attention between variables: every variable is one token."""

import math
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.group_norm import GroupNorm
from met2net.models.blocks.pointwise import PointwiseConvolution

__all__ = ["VariableAttention"]


class VariableAttention(nn.Module):
    """Let every variable gather from all variables, weighted by likeness.

    Query, key and value are 1x1 convolutions without bias, each followed by a group
    normalization of one group. Heads split the channels; in a head, a variable's token is
    its whole latent field, (latent_dim / num_heads) * h * w numbers long.
    Source: Li et al. 2025, arXiv:2507.17189, section 3.5.

    Raises:
        ValueError: if `num_heads` does not divide `latent_dim`.
    """

    def __init__(self, latent_dim: int, *, num_heads: int) -> None:
        super().__init__()
        if num_heads < 1 or latent_dim % num_heads:
            raise ValueError(
                f"num_heads is {num_heads}; expected a divisor of latent_dim, {latent_dim}"
            )
        self.num_heads = num_heads
        self.query = _projection(latent_dim)
        self.key = _projection(latent_dim)
        self.value = _projection(latent_dim)
        self.output = nn.Sequential(_projection(latent_dim), nn.SiLU())

    def forward(self, latent: Float[Tensor, "b v d h w"]) -> Float[Tensor, "b v d h w"]:
        """Mix the variables."""
        value = self._tokens(self.value, latent)  # (B, head, V, length)
        mixed = self.weights(latent) @ value
        merged = rearrange(
            mixed, "b n v (h w d) -> (b v) h w (n d)", h=latent.shape[-2], w=latent.shape[-1]
        )
        output: Tensor = self.output(rearrange(merged, "m h w d -> m d h w"))
        return rearrange(output, "(b v) d h w -> b v d h w", v=latent.shape[1])

    def weights(self, latent: Float[Tensor, "b v d h w"]) -> Float[Tensor, "b head v v"]:
        """Give the attention: row = variable that gathers (query), column = source; rows sum to 1.

        Softmax of q k^T / sqrt(token length), as in scaled dot-product attention.
        Source: Vaswani et al. 2017, arXiv:1706.03762, equation 1.
        """
        query = self._tokens(self.query, latent)
        key = self._tokens(self.key, latent)
        return _scores(query, key).softmax(dim=-1)

    def _tokens(self, projection: nn.Module, latent: Tensor) -> Tensor:
        """Project every variable and cut it into heads: (B, head, V, length).

        Channels come last in a token, as they lie in memory.
        """
        projected: Tensor = projection(rearrange(latent, "b v d h w -> (b v) d h w"))
        last = rearrange(projected, "m d h w -> m h w d")
        return rearrange(
            last, "(b v) h w (n d) -> b n v (h w d)", v=latent.shape[1], n=self.num_heads
        )


def _scores(query: Tensor, key: Tensor) -> Tensor:
    """Multiply every query by every key."""
    if torch.compiler.is_compiling():  # which knows no function with a derivative forward
        return _product(query, key.transpose(-1, -2), scale=_scale(query))
    scores: Tensor = _ScaledProduct.apply(query, key)  # type: ignore[no-untyped-call]
    return scores


class _ScaledProduct(torch.autograd.Function):
    """q k^T / sqrt(token length), scaled inside the product, so that half precision holds it.

    PyTorch's own gradient of a transposed factor comes out transposed, and bringing it back
    costs several times the product: tokens are long, and there are few of them.
    """

    generate_vmap_rule = True

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        del output
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def forward(query: Tensor, key: Tensor) -> Tensor:
        return _product(query, key.transpose(-1, -2), scale=_scale(query))

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, Tensor]:
        query, key = ctx.saved_tensors
        scale = _scale(query)
        gradient = outer[0].to(query.dtype)  # mixed precision may differ
        of_query = _product(gradient, key, scale=scale)
        return of_query, _product(gradient.transpose(-1, -2), query, scale=scale)

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        query, key = ctx.saved_tensors
        return _scores(tangents[0], key) + _scores(query, tangents[1])


def _scale(query: Tensor) -> float:
    return 1 / math.sqrt(query.shape[-1])


def _product(left: Tensor, right: Tensor, *, scale: float) -> Tensor:
    """Multiply matrices of every sample and head, and the result by a number."""
    first, second = (rearrange(x, "b n i j -> (b n) i j") for x in (left, right))
    product = torch.baddbmm(first.new_zeros(()), first, second, beta=0, alpha=scale)
    return rearrange(product, "(b n) i j -> b n i j", n=left.shape[1])


def _projection(dim: int) -> nn.Sequential:
    """Build a 1x1 convolution without bias and a group normalization of one group."""
    return nn.Sequential(PointwiseConvolution(dim, dim, bias=False), GroupNorm(1, dim))
