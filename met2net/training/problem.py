"""What a network learns: its own inputs and targets, in the units that it works in."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.reference_frame import ReferenceFrame

__all__ = ["LearningProblem", "learning_problem"]


@dataclass(frozen=True, eq=False)
class LearningProblem:
    """A batch as the innermost network sees it.

    Attributes:
        network: the network without its reference frame.
        inputs: what its encoders see.
        targets: what its decoders have to give.
        target_frames: the target frames as its encoders would see them.
    """

    network: nn.Module
    inputs: Float[Tensor, "b t c h w"]
    targets: Float[Tensor, "b t2 c2 h w"]
    target_frames: Float[Tensor, "b t2 c h w"]


def learning_problem(
    network: nn.Module,
    *,
    inputs: Float[Tensor, "b t c h w"],
    targets: Float[Tensor, "b t2 c h w"],
) -> LearningProblem:
    """Take a reference frame off, if the network has one.

    Losses of such a network are then in scaled differences, for every objective alike: each
    channel counts relative to how much it changes in six hours.
    """
    if not isinstance(network, ReferenceFrame):
        return LearningProblem(network, inputs, targets, targets)
    reference = inputs[:, -1:]
    return LearningProblem(
        network.forecaster,
        network.encode(inputs, reference=reference),
        network.differences(targets, reference=reference),
        network.encode(targets, reference=reference),
    )
