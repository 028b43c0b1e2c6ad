"""Weights averaged over the steps of a training, for evaluation."""

from torch import nn

from met2net.training.momentum import momentum_copy, update_momentum

__all__ = ["WeightAverage", "average_decay"]


class WeightAverage(nn.Module):
    """A copy of a network that follows its weights and buffers slowly.

    Source: Polyak & Juditsky 1992, doi:10.1137/0330046; as an exponential average:
    Tarvainen & Valpola 2017, arXiv:1703.01780.

    Args:
        network: to be followed.
        decay: share of itself that the average keeps each step, once it is long enough.
    """

    def __init__(self, network: nn.Module, *, decay: float) -> None:
        super().__init__()
        self.network = momentum_copy(network)
        self._decay = decay

    def follow(self, network: nn.Module, *, step: int) -> None:
        """Take in the weights after a step; 1 is the first."""
        update_momentum(self.network, network, momentum=average_decay(step, decay=self._decay))


def average_decay(step: int, *, decay: float) -> float:
    """Give the share of itself that an average keeps at a step; 1 is the first.

    The first weights, which are random, are forgotten at once: (1 + step) / (10 + step) while
    that is less than `decay`. Source: TensorFlow's `ExponentialMovingAverage`, `num_updates`.
    """
    return min(decay, (1 + step) / (10 + step))
