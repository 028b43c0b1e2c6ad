"""A model's groups of channels: which its encoders see, and how they lie on a channel axis."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from met2net.data.channel_groups import Variables, check_variables

__all__ = ["check_input_variables", "interleave_channels"]


def check_input_variables(
    input_variables: Mapping[str, Sequence[str]] | None, *, variables: Variables
) -> Variables:
    """Copy the groups that encoders see; the forecast ones where None.

    Raises:
        ValueError: as `check_variables`, or if the groups have other names or another order.
    """
    if input_variables is None:
        return variables
    groups = check_variables(input_variables)
    if list(groups) != list(variables):
        raise ValueError(
            f"input_variables has groups {', '.join(groups)}; expected {', '.join(variables)}"
        )
    return groups


def interleave_channels(
    variables: Mapping[str, Sequence[str]], *parts: Float[Tensor, "b t _ h w"]
) -> Float[Tensor, "b t m h w"]:
    """Lay out, a variable after the other, its channels of every part.

    Args:
        variables: groups of channels.
        parts: each with as many channels as all groups together, or a multiple: then a channel's
            stand side by side.
    """
    sizes = [len(labels) for labels in variables.values()]
    pieces = []
    for part in parts:
        times = part.shape[2] // sum(sizes)
        pieces.append(torch.split(part, [times * size for size in sizes], dim=2))
    return torch.cat([piece for group in zip(*pieces, strict=True) for piece in group], dim=2)
