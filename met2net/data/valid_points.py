"""Points without a value: the sea surface has no temperature over land.

A training set has at most one mask, the same at every time: for every channel, the points that
have a value. Whatever makes a sum over points is given it; where every point has a value there is
none (`None`), and sums are made as if masks were not known.
"""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

__all__ = ["FILL", "ValidPoints"]

FILL = 0.0
"""What stands in normalized fields at points without a value: the mean of the training split, or
its smallest value where fields are normalized by their range."""


@dataclass(frozen=True, eq=False)
class ValidPoints:
    """Which points have a value, by channel, at every time.

    Attributes:
        mask: True for points with a value.

    Raises:
        ValueError: if a channel has no value anywhere.
    """

    mask: Bool[np.ndarray, "c h w"]

    def __post_init__(self) -> None:
        """Refuse a channel of nothing."""
        empty = np.flatnonzero(~self.mask.any(axis=(1, 2)))
        if len(empty):
            raise ValueError(
                f"channel {empty[0]} has a value at none of {self.mask[0].size} points; expected "
                "some"
            )

    @classmethod
    def of(cls, mask: Bool[np.ndarray, "c h w"]) -> "ValidPoints | None":
        """Give the mask; None where every point has a value.

        Raises:
            ValueError: as the class.
        """
        return None if mask.all() else cls(mask)

    @cached_property
    def tensor(self) -> Bool[Tensor, "c h w"]:
        """The mask for PyTorch, on the CPU."""
        return torch.from_numpy(self.mask)

    @cached_property
    def counts(self) -> Int64[np.ndarray, " c"]:
        """Number of points with a value, by channel."""
        return np.asarray(self.mask.sum(axis=(1, 2)), dtype=np.int64)

    def of_channels(self, places: Sequence[int]) -> "ValidPoints | None":
        """Give the mask of some channels, by their places; None where they lack no value."""
        return ValidPoints.of(self.mask[list(places)])

    def masked(self, channels: Sequence[str]) -> tuple[str, ...]:
        """Give the labels of channels that lack a value somewhere."""
        lacks = np.logical_not(self.mask.all(axis=(1, 2)))
        return tuple(label for label, some in zip(channels, lacks, strict=True) if some)

    def packed(self, channels: Sequence[str]) -> dict[str, str]:
        """Write the masks of channels that lack a value somewhere as texts, by label.

        Bits of the points row after row, the first one highest, in base64.
        """
        masks = dict(zip(channels, self.mask, strict=True))
        return {
            label: base64.b64encode(np.packbits(masks[label]).tobytes()).decode("ascii")
            for label in self.masked(channels)
        }

    @classmethod
    def unpacked(
        cls, packed: Mapping[str, str], *, channels: Sequence[str], shape: tuple[int, int]
    ) -> "ValidPoints | None":
        """Read what `packed` wrote; None where there is nothing.

        Raises:
            ValueError: if a label is none of the channels, or a text is no base64 or has too few or
                too many bits for the shape.
        """
        if not packed:
            return None
        mask = np.ones((len(channels), *shape), dtype=bool)
        for label, text in packed.items():
            bits = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
            if len(bits) != -(-mask[0].size // 8):
                raise ValueError(
                    f"the mask of {label} has {len(bits)} bytes; expected {-(-mask[0].size // 8)}, "
                    f"a bit for each of {mask[0].size} points"
                )
            points = np.unpackbits(bits, count=mask[0].size)
            mask[channels.index(label)] = points.reshape(shape).astype(bool)
        return cls(mask)

    def groups(self) -> tuple[tuple[Int64[np.ndarray, " k"], Bool[np.ndarray, "h w"]], ...]:
        """Part the channels, by their places, by the points that have a value."""
        masks, group_of = np.unique(self.mask, axis=0, return_inverse=True)
        return tuple(
            (np.flatnonzero(group_of.reshape(-1) == number), mask)
            for number, mask in enumerate(masks)
        )

    def fill(self, fields: Float[np.ndarray, "*batch c h w"]) -> None:
        """Put `FILL` where there is no value, in normalized fields, in place."""
        fields[..., ~self.mask] = FILL

    def filled(self, fields: Float[Tensor, "*batch c h w"]) -> Float[Tensor, "*batch c h w"]:
        """Give normalized fields with `FILL` where there is no value."""
        return torch.where(self.tensor.to(fields.device), fields, FILL)

    def blanked(
        self, fields: Float[np.ndarray, "*batch c h w"]
    ) -> Float[np.ndarray, "*batch c h w"]:
        """Give fields in physical units with NaN where there is no value."""
        blanked: np.ndarray = np.where(self.mask, fields, np.nan)
        return blanked
