"""A metric from outside the package, with a sum of its own, that a built-in one can check."""

from met2net import OwnMetric
from met2net.verification.metrics import LOGARITHM


class MeanDistance(OwnMetric):
    """The mean absolute error once more."""

    name = "mean_distance"
    statistics = ("distance",)
    power = 1
    scale = LOGARITHM

    def summands(self, forecast, observation, climatology):
        """Give the distance at every point."""
        return {"distance": (forecast - observation).abs()}

    def compute(self, sums):
        """Give the mean distance."""
        return sums["distance"] / sums["weight"]
