"""Checks that every model's constructor shares."""

from jaxtyping import Float
from torch import Tensor

__all__ = ["check_frames", "check_sizes"]


def check_sizes(**sizes: int) -> None:
    """Refuse sizes below one.

    Raises:
        ValueError: naming the size, what was found and what is expected.
    """
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name} is {size}; expected at least 1")


def check_frames(frames: Float[Tensor, "b t c h w"], *, num_frames: int, num_channels: int) -> None:
    """Refuse inputs with another number of frames or channels than the model was built for.

    Raises:
        ValueError: naming what was found and what is expected.
    """
    found = tuple(frames.shape[1:3])
    if found != (num_frames, num_channels):
        raise ValueError(
            f"inputs have {found[0]} frames of {found[1]} channels; "
            f"expected {num_frames} frames of {num_channels} channels"
        )
