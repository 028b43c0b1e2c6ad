"""Statistics that add up: sums from which every metric follows, over any chunking."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import TypeAlias

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float64
from torch import Tensor

__all__ = [
    "OBSERVED",
    "PLAIN",
    "STATISTICS",
    "WEIGHTINGS",
    "Statistics",
    "Summands",
    "add_statistics",
    "own_names",
    "own_summands",
    "reduce_over_ranks",
    "remove_statistics",
    "windows_of_rank",
    "zero_statistics",
]

WEIGHTINGS = ("area", "plain")
PLAIN = WEIGHTINGS.index("plain")
OBSERVED = (
    "weight", "observation", "squared_observation", "observed_anomaly", "squared_observed_anomaly",
)  # fmt: skip
"""Statistics without a forecast in them: the same for all models."""

Sums = Float64[np.ndarray, "*group weighting lead channel"]


@dataclass(frozen=True, eq=False)
class Statistics:
    """Weighted sums over points, by weighting, lead and channel.

    f is the forecast, o the observation, f' and o' their anomalies from the climatology of
    the valid time. All sums are float64; two Statistics add to those of both samples. Axes
    before the weighting are groups that are not summed yet: init times, regions, seasons.

    Attributes:
        weight: sum of the weights (their mean is 1: the number of windows x points).
        error: sum of f - o.
        absolute_error: sum of |f - o|.
        squared_error: sum of (f - o)^2.
        observation: sum of o.
        squared_observation: sum of o^2.
        squared_forecast_anomaly: sum of f'^2.
        squared_observed_anomaly: sum of o'^2.
        anomaly_product: sum of f' o'.
        observed_anomaly: sum of o'.
        product: sum of f o.
        own: sums of registered metrics, by full name (`own_names`).
    """

    weight: Sums
    error: Sums
    absolute_error: Sums
    squared_error: Sums
    observation: Sums
    squared_observation: Sums
    squared_forecast_anomaly: Sums
    squared_observed_anomaly: Sums
    anomaly_product: Sums
    observed_anomaly: Sums
    product: Sums
    own: Mapping[str, Sums] = field(default_factory=dict)

    @classmethod
    def of(
        cls, stacked: Float64[np.ndarray, "statistic *group weighting lead channel"]
    ) -> "Statistics":
        """Take `stacked` apart again; the sums of registered metrics may be missing, all of them.

        Raises:
            ValueError: if metrics were registered meanwhile.
        """
        rest = stacked[len(STATISTICS) :]
        names = own_names() if len(rest) else ()
        if len(rest) != len(names):
            raise ValueError(
                f"found {len(rest)} sums of registered metrics; expected {len(names)}: register "
                "metrics before scoring begins"
            )
        known = dict(zip(STATISTICS, stacked, strict=False))
        return cls(**known, own=dict(zip(names, rest, strict=True)))

    def __add__(self, other: "Statistics") -> "Statistics":
        """Merge the statistics of two samples."""
        return Statistics.of(self.stacked() + other.stacked())

    def stacked(self) -> Float64[np.ndarray, "statistic *group weighting lead channel"]:
        """Stack all sums, in the order of the attributes, then those of registered metrics."""
        return np.stack([*(getattr(self, name) for name in STATISTICS), *self.own.values()])

    def summed(self) -> "Statistics":
        """Sum over the first axis, a group."""
        return Statistics.of(self.stacked().sum(axis=1))

    def group(self, *index: int) -> "Statistics":
        """Select one group, by its place on the first axes."""
        known = {name: getattr(self, name)[index] for name in STATISTICS}
        return Statistics(**known, own={name: sums[index] for name, sums in self.own.items()})

    def pooled(self) -> "Statistics":
        """Sum over lead times, which leaves one: scores over all leads pool sums first."""
        return Statistics.of(self.stacked().sum(axis=-2, keepdims=True))


STATISTICS = tuple(each.name for each in fields(Statistics) if each.name != "own")


def zero_statistics(*, num_leads: int, num_channels: int) -> Statistics:
    """Give the statistics of no sample."""
    shape = (len(STATISTICS), len(WEIGHTINGS), num_leads, num_channels)
    return Statistics(*np.zeros(shape))


Summands: TypeAlias = Callable[[Tensor, Tensor, Tensor], Mapping[str, Tensor]]
"""Forecast, observation, climatology (B L C H W, normalized) -> summand of every point, by name."""

_ADDED: dict[str, tuple[tuple[str, ...], Summands]] = {}
"""Metric -> names of its sums, and what gives the summands."""


def add_statistics(metric: str, names: tuple[str, ...], summands: Summands) -> None:
    """Have every scoring pass sum these; a metric of the same name before is replaced."""
    _ADDED[metric] = (names, summands)


def remove_statistics(metric: str) -> None:
    """Sum them no more; a metric may have had none."""
    _ADDED.pop(metric, None)


def own_names() -> tuple[str, ...]:
    """Give the full names of all sums, in the order in which they are kept."""
    return tuple(f"{metric}.{name}" for metric, (names, _) in _ADDED.items() for name in names)


def own_summands(forecast: Tensor, observation: Tensor, climatology: Tensor) -> dict[str, Tensor]:
    """Give all summands by full name, in the order of `own_names`.

    Raises:
        ValueError: if a metric gives other sums than it said, or of another shape than the fields.
    """
    found: dict[str, Tensor] = {}
    for metric, (names, summands) in _ADDED.items():
        given = dict(summands(forecast, observation, climatology))
        if set(given) != set(names):
            raise ValueError(
                f"metric {metric} gives sums {', '.join(given) or 'none'}; expected "
                f"{', '.join(names)}, as its `statistics` say"
            )
        for name in names:
            if given[name].shape != forecast.shape:
                raise ValueError(
                    f"metric {metric} gives {name} of shape {tuple(given[name].shape)}; expected "
                    f"{tuple(forecast.shape)}, one number a point"
                )
            found[f"{metric}.{name}"] = given[name].double()
    return found


def windows_of_rank(num_windows: int, *, rank: int, num_ranks: int) -> range:
    """Give the windows that one of several processes scores; together they are all, each once.

    A sampler for training repeats windows so that all ranks have as many; scores must not.
    """
    return range(rank, num_windows, num_ranks)


def reduce_over_ranks(statistics: Statistics) -> Statistics:
    """Add up the statistics of all ranks; every rank gets the same sums.

    Raises:
        ValueError: if no process group is initialized.
    """
    if not dist.is_initialized():
        raise ValueError("no process group is initialized; expected one over all ranks")
    # NCCL moves tensors of a GPU only.
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    own = torch.from_numpy(statistics.stacked()).to(device)
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own)
    # Added in the order of ranks: the same bits on every rank and in every run.
    return Statistics.of(np.sum([part.cpu().numpy() for part in parts], axis=0))
