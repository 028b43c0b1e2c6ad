"""TAU: blocks of the temporal attention unit in SimVP's frame."""

from met2net.models.baselines.metaformer import MetaFormer
from met2net.models.blocks.tau import TauBlock

__all__ = ["TAU"]


class TAU(MetaFormer):
    """Large-kernel gates over stacked frames; trained with the differential divergence.

    That loss, `met2net.training.divergence.differential_divergence`, is a setting of the
    end-to-end objective (weight 0.1).
    Source: Tan, Gao, Wu, Xu, Xia, Li, Li 2023, "Temporal Attention Unit: Towards Efficient
    Spatiotemporal Predictive Learning", arXiv:2206.12126.
    """

    block = TauBlock
