"""MogaNet blocks in SimVP's frame."""

from met2net.models.baselines.metaformer import MetaFormer
from met2net.models.blocks.moganet import MogaNetBlock

__all__ = ["MogaNet"]


class MogaNet(MetaFormer):
    """Multi-order gated aggregation over stacked frames; published with drop path 0.2.

    Source: Li, Wang, Liu, Tan, Lin, Wu, Chen, Zheng, Li 2024, "MogaNet: Multi-order Gated
    Aggregation Network", arXiv:2211.03295; as a forecaster in Tan et al. 2023,
    arXiv:2306.11249 (OpenSTL).
    """

    block = MogaNetBlock
