"""Scales of what a network forecasts, one a channel."""

from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["check_scale"]


def check_scale(scale: Tensor, labels: Sequence[str]) -> None:
    """Refuse a scale that cannot be divided by; channels are its last axis.

    Raises:
        ValueError: if the number of channels differs or a value is not positive and finite.
    """
    if scale.shape[-1] != len(labels):
        raise ValueError(
            f"scale has {scale.shape[-1]} channels; expected {len(labels)}: {', '.join(labels)}"
        )
    usable = torch.isfinite(scale) & (scale > 0)
    if not bool(usable.all()):
        wrong = tuple(torch.nonzero(~usable)[0].tolist())
        raise ValueError(
            f"scale of {labels[wrong[-1]]} is {float(scale[wrong])}; "
            "expected a positive finite number"
        )
