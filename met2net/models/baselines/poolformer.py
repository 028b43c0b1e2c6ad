"""PoolFormer blocks in SimVP's frame."""

from met2net.models.baselines.metaformer import MetaFormer
from met2net.models.blocks.poolformer import PoolFormerBlock

__all__ = ["PoolFormer"]


class PoolFormer(MetaFormer):
    """Averages of neighbours and MLPs over stacked frames.

    Source: Yu, Luo, Zhou, Si, Zhou, Wang, Feng, Yan 2022, "MetaFormer Is Actually What You
    Need for Vision", arXiv:2111.11418; as a forecaster in Tan et al. 2023, arXiv:2306.11249
    (OpenSTL).
    """

    block = PoolFormerBlock
