"""Challenger against champion on the same windows: how much better, and how surely."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from met2net.verification.block_bootstrap import BlockBootstrap, Estimate, resampled_sums
from met2net.verification.metrics import LOGARITHM
from met2net.verification.paired_tests import paired_test
from met2net.verification.statistics import PLAIN, STATISTICS
from pipelines.errors import DataError
from pipelines.evaluation.statistics_file import read_init_times, read_scale, read_statistics

__all__ = ["METRIC", "Comparison", "channels_of_metric", "compare_models"]

METRIC = "normalized_rmse"
"""RMSE over training standard deviation, mean over channels; `normalized_rmse/t2m`: of one."""

_PLACES = [STATISTICS.index("squared_error"), STATISTICS.index("weight")]


@dataclass(frozen=True)
class Comparison:
    """Two models' errors over all lead times of the same windows.

    Attributes:
        metric: what is compared, see `METRIC`.
        challenger: its error.
        champion: its error.
        improvement: 1 - challenger / champion.
        improvement_low: low end of its confidence interval, NaN where there are too few days
            or a model has no error.
        improvement_high: high end.
        bootstrap_p_value: two-sided, of no improvement, by a block bootstrap over days that
            draws both models alike; NaN where the interval is. The interval of confidence
            1 - p ends at 0.
        dm_statistic: of the Diebold-Mariano test, negative where the challenger is better;
            NaN where the errors are equal or the series is too short.
        dm_p_value: two-sided.
        num_windows: windows that both were scored on.
    """

    metric: str
    challenger: float
    champion: float
    improvement: float
    improvement_low: float
    improvement_high: float
    bootstrap_p_value: float
    dm_statistic: float
    dm_p_value: float
    num_windows: int

    def as_dict(self) -> dict[str, Any]:
        """Give plain JSON values; undefined numbers are null."""
        return {
            name: None if isinstance(value, float) and np.isnan(value) else value
            for name, value in asdict(self).items()
        }


def compare_models(
    statistics: Path,
    *,
    challenger: str,
    champion: str,
    channels: tuple[str, ...],
    lead_hours: tuple[int, ...],
    bootstrap: BlockBootstrap,
    metric: str = METRIC,
) -> Comparison:
    """Compare two models by the statistics of every init time that an evaluation wrote.

    Args:
        statistics: the file `statistics.nc`.
        challenger: name of the first model in it.
        champion: name of the second.
        channels: labels, in the file's order.
        lead_hours: lead times, in the file's order.
        bootstrap: how days are drawn; its confidence is that of the interval.
        metric: see `METRIC`.

    Raises:
        DataError: if there is no such metric, or the file is of an earlier version.
    """
    chosen = channels_of_metric(metric, channels)
    scale = read_scale(statistics)[chosen]
    hours = read_init_times(statistics)
    sums = {
        name: _read(statistics, name, num_leads=len(lead_hours), chosen=chosen, scale=scale)
        for name in (challenger, champion)
    }
    errors = {name: float(_error(total.sum(axis=0))) for name, total in sums.items()}
    days, place = np.unique(hours // 24, return_inverse=True)
    low = high = p_of_bootstrap = np.nan
    if bootstrap.is_enough(len(days)) and min(errors.values()) > 0:
        draw = partial(resampled_sums, weights=bootstrap.weights(len(days)))
        ours, theirs = (_error(draw([(place, sums[n])])) for n in (challenger, champion))
        ratio = Estimate.of(ours / theirs, bootstrap=bootstrap, scale=LOGARITHM)
        high, low = (1 - end.item() for end in ratio.interval(bootstrap.confidence))
        p_of_bootstrap = ratio.p_value().item()
    statistic, p_of_dm = paired_test(*(_losses(sums[n]) for n in (challenger, champion)),
                               horizon=_horizon(hours, lead_hours))  # fmt: skip
    return Comparison(
        metric=metric,
        challenger=errors[challenger],
        champion=errors[champion],
        improvement=1 - errors[challenger] / errors[champion],
        improvement_low=low,
        improvement_high=high,
        bootstrap_p_value=p_of_bootstrap,
        dm_statistic=statistic,
        dm_p_value=p_of_dm,
        num_windows=len(hours),
    )


def channels_of_metric(metric: str, channels: tuple[str, ...]) -> list[int]:
    """Give the places of the channels that a metric is about.

    Raises:
        DataError: if there is no such metric.
    """
    base, slash, label = metric.partition("/")
    if base != METRIC or (slash and label not in channels):
        one_each = ", ".join(f"{METRIC}/{label}" for label in channels)
        raise DataError(f"found metric {metric!r}; expected {METRIC} or one of: {one_each}")
    return [channels.index(label)] if slash else list(range(len(channels)))


def _read(
    path: Path, model: str, *, num_leads: int, chosen: list[int], scale: np.ndarray
) -> np.ndarray:
    """Give squared error and weight by init time, summed over lead times: (n, 2, channel).

    Squared errors are in training standard deviations squared.
    """
    total: float | np.ndarray = 0.0
    for lead in range(num_leads):
        parts = [
            sums[:, _PLACES, PLAIN][..., chosen] for _, sums in read_statistics(path, model, lead)
        ]
        total = total + np.concatenate(parts)
    return np.asarray(total * np.stack([scale**2, np.ones_like(scale)]))


def _error(sums: np.ndarray) -> np.ndarray:
    """Give the mean over channels of the RMSE from sums: (..., 2, channel)."""
    squared, weight = sums[..., 0, :], sums[..., 1, :]
    return np.asarray(np.sqrt(squared / weight).mean(axis=-1))


def _losses(sums: np.ndarray) -> np.ndarray:
    """Give each init time's mean squared error."""
    return np.asarray((sums[:, 0] / sums[:, 1]).mean(axis=-1))


def _horizon(hours: np.ndarray, lead_hours: tuple[int, ...]) -> int:
    """Give the longest lead time in steps between init times."""
    step = int(np.diff(hours).min()) if len(hours) > 1 else 1
    return max(1, round(max(lead_hours) / step))
