"""ConvNeXt blocks in SimVP's frame."""

from met2net.models.baselines.metaformer import MetaFormer
from met2net.models.blocks.convnext import ConvNeXtBlock

__all__ = ["ConvNeXt"]


class ConvNeXt(MetaFormer):
    """Depthwise 7x7 convolutions and MLPs over stacked frames.

    Source: Liu, Mao, Wu, Feichtenhofer, Darrell, Xie 2022, "A ConvNet for the 2020s",
    arXiv:2201.03545; as a forecaster in Tan et al. 2023, arXiv:2306.11249 (OpenSTL).
    """

    block = ConvNeXtBlock
