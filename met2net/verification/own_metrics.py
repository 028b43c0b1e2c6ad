"""Metrics of somebody's own: one class, registered, stands in every table of scores."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from torch import Tensor

from met2net.verification.metrics import IDENTITY, METRICS, Metric, Scale
from met2net.verification.statistics import (
    STATISTICS,
    Statistics,
    Sums,
    add_statistics,
    remove_statistics,
)

__all__ = ["OwnMetric", "register_metric", "registered_metrics", "unregister_metric"]

_BUILT_IN = frozenset(METRICS)


class OwnMetric(ABC):
    """A metric as a function of sums that add up over points, init times, ranks and batches.

    Attributes:
        name: as tables call it.
        statistics: names of the sums of its own; empty where those of `Statistics` are enough.
        power: exponent of the channel's unit in the metric's: 1 for errors, 2 for squares, 0 for
            ratios.
        scale: on which its error is close to symmetric: confidence intervals are taken there.
    """

    name: str
    statistics: tuple[str, ...] = ()
    power: int = 0
    scale: Scale = IDENTITY

    def summands(
        self, forecast: Tensor, observation: Tensor, climatology: Tensor
    ) -> Mapping[str, Tensor]:
        """Give what is summed, one number a point, for every name in `statistics`.

        Fields are normalized (B L C H W); weights of area are put on afterwards.
        """
        del forecast, observation, climatology
        return {}

    @abstractmethod
    def compute(self, sums: Mapping[str, Sums]) -> Sums:
        """Give the metric: of its own sums, and of those of `Statistics`, all by name.

        A group without a sample has a `weight` of 0; the metric is NaN there.
        """


_Own = TypeVar("_Own", bound=type[OwnMetric])


def register_metric(own: _Own) -> _Own:
    """Have a metric in all scores from now on; use it as a decorator.

    Raises:
        ValueError: if it has no name, that of a built-in one, or sums of a built-in name.
    """
    metric = own()
    name = getattr(metric, "name", "")
    if not name or name in _BUILT_IN:
        raise ValueError(
            f"metric {own.__name__} has name {name!r}; expected one of its own, none of: "
            f"{', '.join(sorted(_BUILT_IN))}"
        )
    taken = sorted(set(metric.statistics) & set(STATISTICS))
    if taken or len(set(metric.statistics)) < len(metric.statistics):
        raise ValueError(
            f"metric {name} has statistics {', '.join(metric.statistics)}; expected names of their "
            f"own, each once, none of: {', '.join(STATISTICS)}"
        )
    if metric.statistics:
        add_statistics(name, metric.statistics, metric.summands)

    def compute(statistics: Statistics) -> Sums:
        sums = {key: getattr(statistics, key) for key in STATISTICS}
        for key in metric.statistics:
            if f"{name}.{key}" not in statistics.own:  # made before it was registered
                return np.full_like(statistics.weight, np.nan)
            sums[key] = statistics.own[f"{name}.{key}"]
        with np.errstate(divide="ignore", invalid="ignore"):
            found: Sums = np.where(statistics.weight > 0, metric.compute(sums), np.nan)
        return found

    METRICS[name] = Metric(compute, metric.power, metric.scale)
    return own


def registered_metrics() -> tuple[str, ...]:
    """Name the metrics of one's own that are registered."""
    return tuple(name for name in METRICS if name not in _BUILT_IN)


def unregister_metric(name: str) -> None:
    """Leave a metric of one's own out of scores again.

    Raises:
        ValueError: if there is none of that name.
    """
    if name in _BUILT_IN or name not in METRICS:
        raise ValueError(f"metric is {name!r}; expected a registered one of one's own")
    remove_statistics(name)
    del METRICS[name]
