"""What a network learns: its own inputs and targets, in the units that it works in."""

from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.models.wrapper import LearningProblem, Wrapper

__all__ = ["LearningProblem", "learning_problem"]


def learning_problem(
    network: nn.Module,
    *,
    inputs: Float[Tensor, "b t c h w"],
    targets: Float[Tensor, "b t2 c2 h w"],
    init_time: Int64[Tensor, " b"] | None = None,
) -> LearningProblem:
    """Take all wrappers off.

    Losses of a network that corrects a reference forecast are in scaled differences from it, for
    every objective alike.
    """
    problem = LearningProblem(network, inputs, targets, targets, init_time)
    while isinstance(problem.network, Wrapper):
        problem = problem.network.inside(problem)
    return problem
