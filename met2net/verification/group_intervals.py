"""RMSE by region, season or hour of day, all leads together, with intervals."""

from collections.abc import Sequence

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64

from met2net.verification.block_bootstrap import BlockBootstrap, Estimate
from met2net.verification.metrics import LOGARITHM
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.statistics import STATISTICS, WEIGHTINGS

__all__ = ["DailySums", "RegionalSums", "grouped_rmse"]

_SQUARED_ERROR, _WEIGHT = STATISTICS.index("squared_error"), STATISTICS.index("weight")


class DailySums:
    """Squared errors and weights by day and group, leads pooled: what a bootstrap by days needs.

    Its size grows with the number of days, not of init times.
    """

    def __init__(self, *, num_groups: int) -> None:
        """Start empty."""
        self._num_groups = num_groups
        self._by_day: dict[int, np.ndarray] = {}

    def add(
        self,
        init_time: Int64[np.ndarray, " n"],
        group: Int64[np.ndarray, " n"],
        sums: Float64[np.ndarray, "n statistic weighting channel"],
    ) -> None:
        """Add sums of single init times (hours since the epoch) to their days and groups."""
        # The weights of all channels are the same; they stand behind the squared errors.
        rows = np.concatenate([sums[:, _SQUARED_ERROR], sums[:, _WEIGHT, :, :1]], axis=-1)
        days = init_time // 24
        for day in np.unique(days):
            shape = (self._num_groups, *rows.shape[1:])
            total = self._by_day.setdefault(int(day), np.zeros(shape))
            np.add.at(total, group[days == day], rows[days == day])

    def stacked(self) -> Float64[np.ndarray, "day group weighting columns"]:
        """Give all days in order; the last column is the weight."""
        return np.stack([self._by_day[day] for day in sorted(self._by_day)])


class RegionalSums:
    """Daily sums by model and region; `add` is given every batch of a scoring pass."""

    def __init__(self) -> None:
        """Start empty."""
        self.by_model: dict[str, DailySums] = {}

    def add(self, batch: ScoredBatch) -> None:
        """Add a batch of one model."""
        # statistic n region weighting lead channel -> region n statistic weighting channel
        pooled = batch.statistics.stacked().sum(axis=-2)
        by_region = np.moveaxis(pooled, (2, 1), (0, 1))
        daily = self.by_model.setdefault(batch.model, DailySums(num_groups=len(by_region)))
        for place, sums in enumerate(by_region):
            daily.add(batch.init_time, np.full(len(batch.init_time), place), sums)


def grouped_rmse(
    sums: dict[str, DailySums],
    *,
    name: str,
    labels: Sequence[str] | Sequence[int],
    channels: Sequence[str],
    std: Float64[np.ndarray, " channel"],
    bootstrap: BlockBootstrap,
) -> xr.Dataset:
    """Compute RMSE by group over all lead times, in physical units, with intervals.

    Resamples are those of the whole period. An interval is NaN where a group has days for
    fewer blocks than it needs, a resample is without the group, or there is no error at all.

    Args:
        sums: by model.
        name: of the groups' axis, as `season`.
        labels: one a group.
        channels: labels.
        std: what channels were divided by.
        bootstrap: how to resample days.

    Returns:
        `<name>_rmse(model, <name>, weighting, channel)`, `<name>_rmse_low`, `<name>_rmse_high`.
    """
    tables = [
        _rmse_with_ends(daily.stacked(), std=std, bootstrap=bootstrap) for daily in sums.values()
    ]
    dims = ("model", name, "weighting", "channel")
    what = f"RMSE by {name.replace('_', ' ')}, all lead times"
    result = xr.Dataset(
        coords={"model": list(sums), name: list(labels), "weighting": list(WEIGHTINGS),
                "channel": list(channels)}
    )  # fmt: skip
    for end, values in zip(("", "_low", "_high"), zip(*tables, strict=True), strict=True):
        ending = f", {end[1:]} end of the interval" if end else ""
        result[f"{name}_rmse{end}"] = (dims, np.stack(values), {"long_name": what + ending})
    return result


def _rmse_with_ends(
    by_day: Float64[np.ndarray, "day group weighting columns"],
    *,
    std: Float64[np.ndarray, " channel"],
    bootstrap: BlockBootstrap,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Give the RMSE of every group and the ends of its interval."""
    error = _rmse(by_day.sum(axis=0), std=std)
    low, high = np.full_like(error, np.nan), np.full_like(error, np.nan)
    weights = bootstrap.weights(len(by_day))
    for place in range(by_day.shape[1]):
        one = by_day[:, place]
        rows = _rmse(np.einsum("rd,dkc->rkc", weights, one, optimize=True), std=std)
        estimate = Estimate.of(
            rows, bootstrap=bootstrap, scale=LOGARITHM, is_counted=one[:, 0, -1] > 0
        )
        low[place], high[place] = estimate.interval(bootstrap.confidence)
    return error, low, high


def _rmse(sums: np.ndarray, *, std: np.ndarray) -> np.ndarray:
    """Take the root of squares over weights; NaN without a weight."""
    squares, weights = sums[..., :-1], sums[..., -1:]
    mean = np.divide(squares, weights, out=np.full_like(squares, np.nan), where=weights > 0)
    root: np.ndarray = np.sqrt(mean) * std
    return root
