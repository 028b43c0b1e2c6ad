"""Blocks that work in space and time, by name."""

from collections.abc import Callable, Mapping

from torch import nn

from met2net.models.blocks.convnext import ConvNeXtBlock
from met2net.models.blocks.gsta import GstaBlock
from met2net.models.blocks.hornet import HorNetBlock
from met2net.models.blocks.incepu import InceptionBlock
from met2net.models.blocks.moganet import MogaNetBlock
from met2net.models.blocks.poolformer import PoolFormerBlock
from met2net.models.blocks.tau import TauBlock

__all__ = ["SPATIOTEMPORAL_BLOCKS", "spatiotemporal_block"]

# All with an MLP; `incepu`, which has none, is the one further name.
_WITH_MLP: Mapping[str, Callable[..., nn.Module]] = {
    "tau": TauBlock,
    "gsta": GstaBlock,
    "convnext": ConvNeXtBlock,
    "hornet": HorNetBlock,
    "moganet": MogaNetBlock,
    "poolformer": PoolFormerBlock,
}
SPATIOTEMPORAL_BLOCKS = (*_WITH_MLP, "incepu")
_MLP_RATIO = 4  # of the released Met2Net


def spatiotemporal_block(
    name: str | Callable[..., nn.Module], dim: int, *, mlp_ratio: int | None, drop_path: float
) -> nn.Module:
    """Build a block of `dim` -> `dim` channels on any grid.

    Args:
        name: one of `SPATIOTEMPORAL_BLOCKS`; or what makes a block of your own from `dim`, the
            keyword `drop_path`, and `mlp_ratio` where that is given.
        dim: channels.
        mlp_ratio: width of the block's MLP over `dim`; None: 4.
        drop_path: rate at which a sample leaves a residual branch out.

    Raises:
        ValueError: if the name is unknown, the ratio below 1, or a ratio is given to a block
            without an MLP.
    """
    if not isinstance(name, str):
        ratio_of_its_own = {} if mlp_ratio is None else {"mlp_ratio": mlp_ratio}
        return name(dim, drop_path=drop_path, **ratio_of_its_own)
    if name not in SPATIOTEMPORAL_BLOCKS:
        raise ValueError(
            f"spatiotemporal_block is {name!r}; expected one of {', '.join(SPATIOTEMPORAL_BLOCKS)}"
        )
    if name == "incepu":
        if mlp_ratio is not None:
            raise ValueError(f"mlp_ratio is {mlp_ratio}; expected none: incepu has no MLP")
        return InceptionBlock(dim, drop_path=drop_path)
    ratio = _MLP_RATIO if mlp_ratio is None else mlp_ratio
    if ratio < 1:
        raise ValueError(f"mlp_ratio is {ratio}; expected at least 1")
    return _WITH_MLP[name](dim, mlp_ratio=ratio, drop_path=drop_path)
