"""What a scoring pass keeps: sums by model and by season and hour of the init time."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float64, Int64

from met2net.data.seasons import SEASONS, season_of
from met2net.verification.metrics import acc, acc_centred
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.statistics import Statistics

__all__ = ["ACC_FORMS", "ModelSums", "ScoreSums"]

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
