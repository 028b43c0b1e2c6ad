"""SimVP, the first: a U of Inception layers between encoder and decoder."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from met2net.models.baselines.simvp_frame import SimVPFrame
from met2net.models.blocks.incepu import IncepU

__all__ = ["SimVP"]


class SimVP(SimVPFrame):
    """Inception layers of 3 to 11 points over stacked frames; no MLP and no drop path.

    Source: Gao, Tan, Wu, Li 2022, "SimVP: Simpler yet Better Video Prediction",
    arXiv:2206.05099.

    Args: as in `Met2Net`; `num_blocks` is the number of layers on each side of the U.

    Raises:
        ValueError: if a size is below 1, there are fewer than 2 blocks or latent channels, or
            the groups are wrong.
    """

    blocks: IncepU

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
        down_sampling: bool = True,
        periodic_longitude: bool = False,
    ) -> None:
        for name, size in (("num_blocks", num_blocks), ("latent_dim", latent_dim)):
            if size < 2:
                raise ValueError(f"{name} is {size}; expected at least 2")
        super().__init__(
            variables=variables,
            num_inputs=num_inputs,
            num_targets=num_targets,
            input_variables=input_variables,
            spatial_dim=spatial_dim,
            num_scales=num_scales,
            down_sampling=down_sampling,
            periodic_longitude=periodic_longitude,
            build_blocks=lambda in_channels, out_channels: IncepU(
                in_channels, out_channels, latent_dim=latent_dim, num_blocks=num_blocks
            ),
        )

    def _translate(self, latent: Tensor) -> list[Tensor]:
        """Run both sides of the U."""
        return self.blocks.layer_outputs(latent)
