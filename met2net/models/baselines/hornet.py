"""HorNet blocks in SimVP's frame."""

from met2net.models.baselines.metaformer import MetaFormer
from met2net.models.blocks.hornet import HorNetBlock

__all__ = ["HorNet"]


class HorNet(MetaFormer):
    """Recursive gated convolutions and MLPs over stacked frames.

    Source: Rao, Zhao, Tang, Zhou, Lim, Lu 2022, "HorNet: Efficient High-Order Spatial
    Interactions with Recursive Gated Convolutions", arXiv:2207.14284; as a forecaster in Tan
    et al. 2023, arXiv:2306.11249 (OpenSTL).
    """

    block = HorNetBlock
