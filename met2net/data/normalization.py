"""Normalization: from physical units to values of order one, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = ["METHODS", "Method", "Normalizer", "check_method", "conversion", "renormalize"]

Method = Literal["mean_std", "min_max", "none"]
METHODS: tuple[str, ...] = get_args(Method)
"""`mean_std`: to zero mean and unit variance; `min_max`: to the range 0 to 1; `none`: as it is."""


def check_method(method: str) -> None:
    """Check the name of a normalization.

    Raises:
        ValueError: if there is no such normalization.
    """
    if method not in METHODS:
        raise ValueError(f"normalization is {method!r}; expected one of: {', '.join(METHODS)}")


@dataclass(frozen=True)
class Normalizer:
    """What a channel is shifted and divided by, from the training split alone.

    Under min/max normalization the smallest value stands for the mean and the range (largest
    less smallest) for the standard deviation; everything that uses them stays as it is.

    Attributes:
        channels: labels, in channel order.
        mean: what is subtracted, one a channel, in the channel's units.
        std: what is divided by, one a channel, in the channel's units; positive.

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

    @classmethod
    def from_statistics(
        cls,
        channels: Sequence[str],
        *,
        method: str,
        mean: Float[np.ndarray, " c"],
        std: Float[np.ndarray, " c"],
        minimum: Float[np.ndarray, " c"],
        maximum: Float[np.ndarray, " c"],
    ) -> "Normalizer":
        """Build from the statistics of a training split, by a method of `METHODS`.

        Raises:
            ValueError: if there is no such method, or as the class does.
        """
        check_method(method)
        if method == "min_max":
            return cls.from_arrays(channels, minimum, maximum - minimum)
        if method == "none":
            return cls.from_arrays(channels, np.zeros(len(mean)), np.ones(len(std)))
        return cls.from_arrays(channels, mean, std)

    def of_channels(self, channels: Sequence[str]) -> "Normalizer":
        """Give that of some channels, in their order."""
        places = [self.channels.index(label) for label in channels]
        mean, std = (tuple(values[i] for i in places) for values in (self.mean, self.std))
        return Normalizer(tuple(channels), mean, std)

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


def renormalize(
    fields: Float[Tensor, "*batch c h w"], *, source: Normalizer, target: Normalizer
) -> Float[Tensor, "*batch c h w"]:
    """Turn values normalized by one normalizer into those of another; the same, if equal.

    Raises:
        ValueError: if the normalizers are for different channels.
    """
    scale, shift = conversion(source, target)
    if source == target:
        return fields
    return fields * torch.from_numpy(scale).to(fields) + torch.from_numpy(shift).to(fields)


def conversion(
    source: Normalizer, target: Normalizer
) -> tuple[Float64[np.ndarray, "c 1 1"], Float64[np.ndarray, "c 1 1"]]:
    """Give the factor and the summand that turn values of one normalizer into those of another.

    One step in float64 constants: going through physical units would lose digits where a
    channel's mean is large beside its std (pressure).

    Raises:
        ValueError: if the normalizers are for different channels.
    """
    if source.channels != target.channels:
        raise ValueError(
            f"found normalizers of channels {', '.join(source.channels)} and of "
            f"{', '.join(target.channels)}; expected the same channels"
        )
    mean, std, target_mean, target_std = (
        np.array(values)[:, None, None]
        for values in (source.mean, source.std, target.mean, target.std)
    )
    return std / target_std, (mean - target_mean) / target_std
