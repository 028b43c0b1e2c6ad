"""Drift: how far a new month lies from the hours that a model is trained on."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from met2net.data.training_set import TrainingSet
from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.retraining.drift_sample import QUANTILES, DriftSample

__all__ = ["ChannelDrift", "Drift", "DriftLimits", "measure_drift"]

_FEWEST_DAYS = 14  # of the same calendar month in the training split


@dataclass(frozen=True)
class DriftLimits:
    """How far a month may lie from the training set before it is called drift.

    Attributes:
        mean_shift: of the mean, in standard deviations of the training split.
        quantile_shift: of any quantile from 1 % to 99 %, in the same unit.
        std_ratio: of the standard deviations, the larger over the smaller.
        roughness_ratio: the same of the root mean square of changes from hour to hour, which
            noise raises even where it stays in the range of weather.

    Raises:
        ValueError: if a limit allows nothing.
    """

    mean_shift: float = 1.0
    quantile_shift: float = 1.5
    std_ratio: float = 2.0
    roughness_ratio: float = 1.6

    def __post_init__(self) -> None:
        """Check ranges."""
        for name, bound in (("mean_shift", 0), ("quantile_shift", 0), ("std_ratio", 1),
                            ("roughness_ratio", 1)):  # fmt: skip
            if not getattr(self, name) > bound:
                raise ValueError(f"{name} is {getattr(self, name)}; expected above {bound}")


@dataclass(frozen=True)
class ChannelDrift:
    """One channel of a new month against the training split.

    Attributes:
        channel: label.
        units: of mean and std.
        mean: of the month.
        std: of the month.
        reference_mean: of the reference hours.
        reference_std: of the reference hours.
        mean_shift: difference of the means in training standard deviations.
        quantile_shift: largest difference of a quantile in the same unit, with its sign.
        quantile: which one, 0 to 1.
        std_ratio: the month's over the reference's.
        roughness_ratio: of root mean square changes from hour to hour, the same way.
        outside_share: share of values beyond the smallest or largest of the training split.
        impossible: values outside the variable's physical limits.
    """

    channel: str
    units: str
    mean: float
    std: float
    reference_mean: float
    reference_std: float
    mean_shift: float
    quantile_shift: float
    quantile: float
    std_ratio: float
    roughness_ratio: float
    outside_share: float
    impossible: int

    def parts(self, limits: DriftLimits) -> dict[str, float]:
        """Give each statistic as a part of its limit: 1 is at the limit."""
        return {
            "mean shift": abs(self.mean_shift) / limits.mean_shift,
            "quantile shift": abs(self.quantile_shift) / limits.quantile_shift,
            "spread": abs(np.log(self.std_ratio)) / np.log(limits.std_ratio),
            "roughness": abs(np.log(self.roughness_ratio)) / np.log(limits.roughness_ratio),
            "impossible values": float("inf") if self.impossible else 0.0,
        }


@dataclass(frozen=True)
class Drift:
    """The drift of a month: a row a channel, and what exceeds its limit.

    Attributes:
        month: the new month, as `2020-03`.
        reference: which hours it was compared with, in words.
        channels: a row a channel.
        limits: what is allowed.
    """

    month: str
    reference: str
    channels: tuple[ChannelDrift, ...]
    limits: DriftLimits

    @property
    def largest(self) -> float:
        """The largest statistic in parts of its limit."""
        return max(max(row.parts(self.limits).values()) for row in self.channels)

    @property
    def where(self) -> str:
        """Which statistic of which channel the largest is."""
        _, what = max(
            (part, f"{name} of {row.channel}")
            for row in self.channels
            for name, part in row.parts(self.limits).items()
        )
        return what

    @property
    def findings(self) -> tuple[str, ...]:
        """What exceeds its limit, in words; empty for a month like the others."""
        return tuple(
            f"{row.channel}: {name} is {part:.2f} of its limit"
            for row in self.channels
            for name, part in row.parts(self.limits).items()
            if part > 1
        )

    def to_json(self) -> str:
        """Write rows, limits and findings as JSON."""
        return json.dumps({**asdict(self), "findings": self.findings}, indent=1)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Give header and rows of a table for people."""
        header = ["channel", "mean", "reference", "shift [std]", "quantile shift [std]",
                  "std ratio", "roughness ratio", "beyond training range", "verdict"]  # fmt: skip
        rows = []
        for row in self.channels:
            over = [name for name, part in row.parts(self.limits).items() if part > 1]
            units = "" if row.units == "1" else f" {row.units}"
            rows.append([
                row.channel, _five_digits(row.mean) + units,
                _five_digits(row.reference_mean) + units,
                f"{row.mean_shift:+.2f}", f"{row.quantile_shift:+.2f} at {row.quantile:.0%}",
                f"{row.std_ratio:.2f}", f"{row.roughness_ratio:.2f}", f"{row.outside_share:.2%}",
                "drift: " + ", ".join(over) if over else "as before",
            ])  # fmt: skip
        return header, rows


def measure_drift(training_set: Path, *, month: Month, limits: DriftLimits) -> Drift:
    """Compare a month with the training split, streaming both.

    The reference is the same calendar month in the training split where it holds at least 14
    days of it, so that a season is no drift; else the whole training split.

    Args:
        training_set: store that holds the month, in any split.
        month: the new month.
        limits: what is allowed.

    Raises:
        DataError: if the store has no hour of the month.
    """
    data = TrainingSet.open(training_set)
    scale = {name: getattr(data, name) for name in ("mean", "std", "minimum", "maximum")}
    hours = data.hours.astype("datetime64[h]")
    rows = np.flatnonzero(np.isin(hours, month.hours()))
    if len(rows) == 0:
        raise DataError(f"{training_set} has no hour of {month}; expected the new month")
    reference, what = _reference(data, month)
    new, old = (DriftSample.of(data, places, scale) for places in (rows, reference))
    units = dict(zip(data.channels, data.units, strict=True))
    return Drift(
        month=str(month),
        reference=what,
        channels=tuple(
            _compare(new, old, place, label=label, units=units[label], scale=scale)
            for place, label in enumerate(data.channels)
        ),
        limits=limits,
    )


def _reference(data: TrainingSet, month: Month) -> tuple[np.ndarray, str]:
    """Choose the hours to compare with."""
    training = data.in_split("train")
    calendar = data.hours.astype("datetime64[h]").astype("datetime64[M]").astype(int) % 12 + 1
    same = training & (calendar == month.number)
    if len(np.unique(data.hours[same] // 24)) >= _FEWEST_DAYS:
        years = len(np.unique(data.hours[same].astype("datetime64[h]").astype("datetime64[Y]")))
        name = str(np.datetime64(str(month), "M").item().strftime("%B"))
        count = f"{years} year{'s' if years > 1 else ''}"
        return np.flatnonzero(same), f"{name} in the training split ({count})"
    return np.flatnonzero(training), "the whole training split"


def _five_digits(value: float) -> str:
    """Write a number without an exponent: 101400, not 1.014e+05."""
    return np.format_float_positional(value, precision=5, fractional=False, trim="-")


def _compare(
    new: DriftSample,
    old: DriftSample,
    place: int,
    *,
    label: str,
    units: str,
    scale: dict[str, np.ndarray],
) -> ChannelDrift:
    """Compare one channel."""
    mean, std = scale["mean"][place], scale["std"][place]
    shifts = new.quantiles(place) - old.quantiles(place)
    worst = int(np.argmax(np.abs(shifts)))
    return ChannelDrift(
        channel=label,
        units=units,
        mean=float(new.mean[place] * std + mean),
        std=float(new.std[place] * std),
        reference_mean=float(old.mean[place] * std + mean),
        reference_std=float(old.std[place] * std),
        mean_shift=float(new.mean[place] - old.mean[place]),
        quantile_shift=float(shifts[worst]),
        quantile=QUANTILES[worst],
        std_ratio=float(new.std[place] / old.std[place]),
        roughness_ratio=float(new.roughness[place] / old.roughness[place]),
        outside_share=float(new.outside_share[place]),
        impossible=int(new.impossible[place]),
    )
