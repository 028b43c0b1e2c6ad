"""SimVPv2: gated spatio-temporal attention (gSTA) in SimVP's frame."""

from met2net.models.baselines.metaformer import MetaFormer
from met2net.models.blocks.gsta import GstaBlock

__all__ = ["SimVPv2"]


class SimVPv2(MetaFormer):
    """Gated large-kernel attention over stacked frames.

    Source: Tan, Gao, Li, Li 2022, "SimVP: Towards Simple yet Powerful Spatiotemporal
    Predictive Learning", arXiv:2211.12509.
    """

    block = GstaBlock
