"""Normalization: from physical units to zero mean and unit variance, and back."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Normalizer"]


@dataclass(frozen=True)
class Normalizer:
    """Mean and standard deviation a channel, from the training split alone.

    Attributes:
        channels: labels, in channel order.
        mean: one a channel, in the channel's units.
        std: one a channel, in the channel's units; positive.

    Raises:
        ValueError: if lengths differ, or a value is not finite, or a std is not positive.
    """

    channels: tuple[str, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        """Check that every channel has a usable mean and std."""
        if not len(self.channels) == len(self.mean) == len(self.std):
            raise ValueError(
                f"{len(self.channels)} channels, {len(self.mean)} means and {len(self.std)} "
                "standard deviations; expected one of each a channel"
            )
        for label, mean, std in zip(self.channels, self.mean, self.std, strict=True):
            if not np.isfinite(mean):
                raise ValueError(f"mean of {label} is {mean}; expected a finite number")
            if not np.isfinite(std) or std <= 0:
                raise ValueError(
                    f"standard deviation of {label} is {std}; expected a positive number "
                    "(a constant channel cannot be normalized)"
                )

    @classmethod
    def from_arrays(
        cls,
        channels: Sequence[str],
        mean: Float[np.ndarray, " c"],
        std: Float[np.ndarray, " c"],
    ) -> "Normalizer":
        """Build from arrays in channel order."""
        return cls(tuple(channels), tuple(map(float, mean)), tuple(map(float, std)))

    def normalize(self, fields: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c h w"]:
        """Turn physical units into normalized values: (x - mean) / std."""
        mean, std = self._columns(fields)
        return (fields - mean) / std

    def denormalize(self, fields: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c h w"]:
        """Turn normalized values back into physical units: x * std + mean."""
        mean, std = self._columns(fields)
        return fields * std + mean

    def _columns(self, fields: Tensor) -> tuple[Tensor, Tensor]:
        """Shape mean and std to broadcast over `c h w`, in the fields' dtype."""
        if fields.shape[-3] != len(self.channels):
            raise ValueError(
                f"fields have {fields.shape[-3]} channels; expected {len(self.channels)}: "
                f"{', '.join(self.channels)}"
            )
        mean, std = (
            torch.tensor(values, dtype=fields.dtype, device=fields.device)[:, None, None]
            for values in (self.mean, self.std)
        )
        return mean, std
