"""SimVP's frame round a chain of like blocks, and the networks that differ in these alone."""

from abc import ABC
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from met2net.models.baselines.simvp_frame import SimVPFrame
from met2net.models.blocks.convnext import ConvNeXtBlock
from met2net.models.blocks.gsta import GstaBlock
from met2net.models.blocks.hornet import HorNetBlock
from met2net.models.blocks.moganet import MogaNetBlock
from met2net.models.blocks.poolformer import PoolFormerBlock
from met2net.models.blocks.tau import TauBlock
from met2net.models.checks import check_sizes

__all__ = ["TAU", "ConvNeXt", "HorNet", "MetaFormer", "MogaNet", "PoolFormer", "SimVPv2"]


class MetaFormer(SimVPFrame, ABC):
    """A chain of `num_blocks` blocks between encoder and decoder; a subclass names the block.

    The first block works at T * spatial_dim channels and a 1x1 convolution follows to
    `latent_dim`; after the last block a 1x1 convolution gives T' * spatial_dim. Drop path
    rises linearly with depth, from 0.01 to `drop_path`.
    Source: Tan et al. 2022, arXiv:2211.12509 (SimVPv2), and the benchmark OpenSTL, Tan et al.
    2023, arXiv:2306.11249, whose parameter counts this reading gives.

    Args: as in `Met2Net`.

    Raises:
        ValueError: if a size is below 1, there are fewer than 2 blocks, or the groups are wrong.
    """

    block: ClassVar[Callable[..., nn.Module]]
    blocks: nn.ModuleList

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        num_inputs: int,
        num_targets: int,
        input_variables: Mapping[str, Sequence[str]] | None = None,
        spatial_dim: int = 32,
        latent_dim: int = 256,
        num_blocks: int = 8,
        num_scales: int = 2,
        mlp_ratio: int = 8,
        drop_path: float = 0.1,
        down_sampling: bool = True,
        periodic_longitude: bool = False,
    ) -> None:
        check_sizes(latent_dim=latent_dim, mlp_ratio=mlp_ratio)
        if num_blocks < 2:
            raise ValueError(f"num_blocks is {num_blocks}; expected at least 2")
        rates = _drop_path_rates(drop_path, num_blocks)

        def chain(in_channels: int, out_channels: int) -> nn.ModuleList:
            widths = [in_channels] + [latent_dim] * (num_blocks - 1)
            following = [latent_dim] * (num_blocks - 1) + [out_channels]
            return nn.ModuleList(
                nn.Sequential(
                    self.block(width, mlp_ratio=mlp_ratio, drop_path=rate),
                    # Also where both widths are equal at an end of the chain; in between nothing.
                    nn.Conv2d(width, after, 1) if i in (0, num_blocks - 1) else nn.Identity(),
                )
                for i, (width, after, rate) in enumerate(zip(widths, following, rates, strict=True))
            )

        super().__init__(
            variables=variables,
            num_inputs=num_inputs,
            num_targets=num_targets,
            input_variables=input_variables,
            spatial_dim=spatial_dim,
            num_scales=num_scales,
            down_sampling=down_sampling,
            periodic_longitude=periodic_longitude,
            build_blocks=chain,
        )

    def _translate(self, latent: Tensor) -> list[Tensor]:
        """Run the blocks one after the other."""
        outputs = []
        for block in self.blocks:
            latent = block(latent)
            outputs.append(latent)
        return outputs


class SimVPv2(MetaFormer):
    """Gated large-kernel attention over stacked frames.

    Source: Tan, Gao, Li, Li 2022, "SimVP: Towards Simple yet Powerful Spatiotemporal
    Predictive Learning", arXiv:2211.12509.
    """

    block = GstaBlock


class TAU(MetaFormer):
    """Large-kernel gates over stacked frames; trained with the differential divergence.

    That loss, `met2net.training.divergence.differential_divergence`, is a setting of the
    end-to-end objective (weight 0.1).
    Source: Tan, Gao, Wu, Xu, Xia, Li, Li 2023, "Temporal Attention Unit: Towards Efficient
    Spatiotemporal Predictive Learning", arXiv:2206.12126.
    """

    block = TauBlock


class ConvNeXt(MetaFormer):
    """Depthwise 7x7 convolutions and MLPs over stacked frames.

    Source: Liu, Mao, Wu, Feichtenhofer, Darrell, Xie 2022, "A ConvNet for the 2020s",
    arXiv:2201.03545; as a forecaster in Tan et al. 2023, arXiv:2306.11249 (OpenSTL).
    """

    block = ConvNeXtBlock


class HorNet(MetaFormer):
    """Recursive gated convolutions and MLPs over stacked frames.

    Source: Rao, Zhao, Tang, Zhou, Lim, Lu 2022, "HorNet: Efficient High-Order Spatial
    Interactions with Recursive Gated Convolutions", arXiv:2207.14284; as a forecaster in Tan
    et al. 2023, arXiv:2306.11249 (OpenSTL).
    """

    block = HorNetBlock


class MogaNet(MetaFormer):
    """Multi-order gated aggregation over stacked frames; published with drop path 0.2.

    Source: Li, Wang, Liu, Tan, Lin, Wu, Chen, Zheng, Li 2024, "MogaNet: Multi-order Gated
    Aggregation Network", arXiv:2211.03295; as a forecaster in Tan et al. 2023,
    arXiv:2306.11249 (OpenSTL).
    """

    block = MogaNetBlock


class PoolFormer(MetaFormer):
    """Averages of neighbours and MLPs over stacked frames.

    Source: Yu, Luo, Zhou, Si, Zhou, Wang, Feng, Yan 2022, "MetaFormer Is Actually What You
    Need for Vision", arXiv:2111.11418; as a forecaster in Tan et al. 2023, arXiv:2306.11249
    (OpenSTL).
    """

    block = PoolFormerBlock


def _drop_path_rates(drop_path: float, num_blocks: int) -> list[float]:
    """Give a rate a block, rising linearly from 0.01 (or less) to `drop_path`."""
    first = min(0.01, drop_path)
    return [first + (drop_path - first) * i / (num_blocks - 1) for i in range(num_blocks)]
