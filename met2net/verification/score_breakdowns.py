"""Scores by region, season and hour, skill, winds and correlations of single init times.

And the sums that a scoring pass keeps for them: by model and by season and hour of the init time.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from jaxtyping import Float64, Int64

from met2net.data.normalization import Normalizer
from met2net.data.seasons import SEASONS, season_of
from met2net.verification.metrics import (
    acc,
    acc_centred,
    in_physical_units,
    skill,
    vector_rmse,
    wind_pairs,
)
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.statistics import Statistics

__all__ = ["ACC_FORMS", "REFERENCES", "ModelSums", "ScoreSums", "breakdowns"]

ACC_FORMS = {"uncentred": acc, "centred": acc_centred}


@dataclass(eq=False)
class ModelSums:
    """Sums of one model over the init times seen so far.

    Attributes:
        total: by region.
        by_season: of the whole field, by `SEASONS` of the init time.
        by_hour: of the whole field, by hour of day of the init time, 0 to 23.
        acc: by form of `ACC_FORMS`: the sum over init times of the anomaly correlation of
            one init time, and the number of those that have one.
    """

    total: Statistics
    by_season: Statistics
    by_hour: Statistics
    acc: dict[str, tuple[Float64[np.ndarray, "k l c"], Float64[np.ndarray, "k l c"]]]

    @classmethod
    def of(cls, batch: ScoredBatch) -> "ModelSums":
        """Sum one batch."""
        everywhere = batch.statistics.stacked()[:, :, 0]  # (statistic, B, weighting, L, C)
        hours = batch.init_time % 24
        per_time = Statistics.of(everywhere)
        correlations = {name: form(per_time) for name, form in ACC_FORMS.items()}
        return cls(
            total=batch.statistics.summed(),
            by_season=_grouped(everywhere, season_of(batch.init_time), num=len(SEASONS)),
            by_hour=_grouped(everywhere, hours, num=24),
            acc={
                name: (np.nansum(values, axis=0), np.isfinite(values).sum(axis=0).astype(float))
                for name, values in correlations.items()
            },
        )

    def __add__(self, other: "ModelSums") -> "ModelSums":
        """Merge two samples."""
        return ModelSums(
            self.total + other.total,
            self.by_season + other.by_season,
            self.by_hour + other.by_hour,
            {
                name: (total + other.acc[name][0], count + other.acc[name][1])
                for name, (total, count) in self.acc.items()
            },
        )


@dataclass(eq=False)
class ScoreSums:
    """Sums by model; `add` is given every batch of a scoring pass."""

    by_model: dict[str, ModelSums] = field(default_factory=dict)

    def add(self, batch: ScoredBatch) -> None:
        """Add a batch of one model."""
        sums = ModelSums.of(batch)
        known = self.by_model.get(batch.model)
        self.by_model[batch.model] = sums if known is None else known + sums

    def totals(self) -> dict[str, Statistics]:
        """Give the sums over the whole field by model."""
        return {name: sums.total.group(0) for name, sums in self.by_model.items()}


def _grouped(
    stacked: Float64[np.ndarray, "statistic b *rest"], group: Int64[np.ndarray, " b"], *, num: int
) -> Statistics:
    """Sum over the init times of each group."""
    indicator = (group == np.arange(num)[:, None]).astype(np.float64)  # (group, B)
    rows = np.moveaxis(stacked, 1, 0)
    sums = indicator @ rows.reshape(len(rows), -1)
    by_group = np.moveaxis(sums.reshape(num, *rows.shape[1:]), 0, 1)
    return Statistics.of(by_group)


REFERENCES = ("persistence", "climatology")
"""Forecasts that skill is measured against, where they are among the scored ones."""


def breakdowns(
    sums: ScoreSums, *, scores: xr.Dataset, regions: Sequence[str], normalizer: Normalizer
) -> xr.Dataset:
    """Compute what stands beside the scores of the whole field and period.

    Returns:
        `regional(model, region, ...)`, `seasonal(model, season, ...)` and
        `hourly(model, init_hour, ...)`, each by `metric, weighting, channel, lead_time`;
        `mse_skill(model, reference, weighting, channel, lead_time)`;
        `acc_per_time(model, acc_form, weighting, channel, lead_time)`, the mean over init
        times; `vector_wind_rmse(model, weighting, wind, lead_time)` where channels are winds.
    """
    std = np.asarray(normalizer.std)
    models = sums.by_model
    arrays: dict[str, tuple[tuple[str, ...], np.ndarray, dict[str, str]]] = {}
    for name, axis, group in (
        ("regional", "region", {m: s.total for m, s in models.items()}),
        ("seasonal", "season", {m: s.by_season for m, s in models.items()}),
        ("hourly", "init_hour", {m: s.by_hour for m, s in models.items()}),
    ):
        values = _by_model(group, std=std)
        dims = ("model", axis, "metric", "weighting", "channel", "lead_time")
        arrays[name] = (dims, values, {"long_name": f"score by {axis.replace('_', ' ')}"})
    totals = sums.totals()
    references = [name for name in REFERENCES if name in totals]
    if references:
        skills = [[skill(s, totals[name]) for name in references] for s in totals.values()]
        arrays["mse_skill"] = (
            ("model", "reference", "weighting", "channel", "lead_time"),
            np.stack(skills).swapaxes(-1, -2),
            {"units": "1", "long_name": "1 - MSE / MSE of the reference"},
        )
    correlations = [[_mean_acc(s.acc[form]) for form in ACC_FORMS] for s in models.values()]
    arrays["acc_per_time"] = (
        ("model", "acc_form", "weighting", "channel", "lead_time"),
        np.stack(correlations).swapaxes(-1, -2),
        {"units": "1", "long_name": "mean over init times of the ACC of one init time"},
    )
    pairs = wind_pairs(normalizer.channels)
    coords = {"region": list(regions), "season": list(SEASONS), "init_hour": np.arange(24),
              "reference": references, "acc_form": list(ACC_FORMS)}  # fmt: skip
    if pairs:
        winds = [vector_rmse(s, list(pairs.values()), std=std) for s in totals.values()]
        arrays["vector_wind_rmse"] = (
            ("model", "weighting", "wind", "lead_time"),
            np.stack(winds).swapaxes(-1, -2),
            {"units": "m s-1", "long_name": "root of the mean squared length of wind errors"},
        )
        coords["wind"] = list(pairs)
    used = {axis for dims, _, _ in arrays.values() for axis in dims}
    kept = {name: values for name, values in coords.items() if name in used}
    return xr.Dataset(arrays, coords={**kept, **_shared(scores)})


def _by_model(
    groups: Mapping[str, Statistics], *, std: Float64[np.ndarray, " c"]
) -> Float64[np.ndarray, "model group metric weighting channel lead"]:
    """Compute all metrics of grouped statistics."""
    metrics = [in_physical_units(statistics, std=std) for statistics in groups.values()]
    return np.stack(metrics).swapaxes(1, 2).swapaxes(-1, -2)


def _mean_acc(sums: tuple[np.ndarray, np.ndarray]) -> np.ndarray:
    """Divide a sum of correlations by their number; NaN where there is none."""
    total, count = sums
    mean: np.ndarray = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return mean


def _shared(scores: xr.Dataset) -> dict[str, xr.DataArray]:
    """Give the coordinates that the scores have already."""
    return {name: scores[name] for name in ("model", "metric", "weighting", "channel", "lead_time")}
