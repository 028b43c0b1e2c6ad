"""What the scores say: best network, margins over baselines, skill, digits worth showing."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from pipelines.errors import DataError

__all__ = [
    "BASELINES",
    "Verdict",
    "decimals_for",
    "margin_intervals",
    "networks_of",
    "open_scores",
    "skill",
    "verdict",
]

BASELINES = ("persistence", "anomaly_persistence", "climatology", "ridge")
_VARIABLES = ("score", "pooled", "normalized_rmse", "units")


def open_scores(path: Path) -> xr.Dataset:
    """Read a scores file into memory.

    Raises:
        DataError: if the file lacks what every scores file has.
    """
    with xr.open_dataset(path, decode_timedelta=False) as dataset:
        missing = [name for name in _VARIABLES if name not in dataset]
        if missing:
            raise DataError(
                f"{path} lacks {', '.join(missing)}; found: {', '.join(map(str, dataset))}"
            )
        return dataset.load()


def networks_of(scores: xr.Dataset) -> tuple[str, ...]:
    """List the scored models that are not baselines, in file order."""
    return tuple(name for name in map(str, scores["model"].values) if name not in BASELINES)


@dataclass(frozen=True)
class Verdict:
    """How one network stands, in normalized RMSE: against every baseline, its rival, behind whom.

    It is level with another where the margin's interval holds 0.

    Attributes:
        network: the network's name.
        normalized_rmse: its normalized RMSE.
        margins: by baseline, by network that is better and by the best of those that are not, how
            much lower this network's RMSE is, as a fraction of the other's (negative: the other is
            better).
        num_windows: windows scored.
        split: name of the split.
        intervals: by other model, the ends of the margin's 95 % interval, where there is one.
    """

    network: str
    normalized_rmse: float
    margins: dict[str, float]
    num_windows: int
    split: str
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def beats_all(self) -> bool:
        """True where no baseline and no other network is better."""
        return all(margin > 0 for margin in self.margins.values())

    def __str__(self) -> str:
        """Say it in one sentence."""
        level = [name for name, (low, high) in self.intervals.items() if low <= 0 <= high]
        others = {name: margin for name, margin in self.margins.items() if name not in level}
        groups = {
            "beats": [self._margin(name) for name, margin in others.items() if margin > 0],
            "is level with": [self._level(name) for name in self.margins if name in level],
            "is behind": [self._margin(name) for name, margin in others.items() if margin <= 0],
        }
        parts = [f"{verb} {_listing(names)}" for verb, names in groups.items() if names]
        brackets = "; brackets: 95 % intervals" if self.intervals else ""
        return (
            f"{self.network} {_clauses(parts)} in normalized RMSE "
            f"({self.normalized_rmse:.4f}, {self.num_windows} windows of the {self.split} "
            f"split{brackets})."
        )

    def _margin(self, name: str) -> str:
        """Say by how much one is better or worse than another, which of them being said."""
        margin, (low, high) = self.margins[name], self.intervals.get(name, (np.nan, np.nan))
        if margin <= 0:
            margin, low, high = -margin, -high, -low
        decimals = _decimals_of_percent(margin)
        interval = f" {_interval(low, high, decimals)}" if np.isfinite(low) else ""
        return f"{_words(name)} by {_percent(margin, decimals)}%{interval}"

    def _level(self, name: str) -> str:
        """Say between what the margin lies, on both sides of 0."""
        decimals = _decimals_of_percent(min(self.intervals[name], key=abs))
        return f"{_words(name)} {_interval(*self.intervals[name], decimals)}"


def verdict(scores: xr.Dataset, *, network: str | None = None) -> Verdict:
    """Compare a network, by default the best one, with baselines, better networks and the next one.

    Raises:
        DataError: if the scores hold no network, or not this one, or a value is not finite.
    """
    networks = networks_of(scores)
    errors = {str(name): float(v) for name, v in scores["normalized_rmse"].to_series().items()}
    wrong = [name for name, value in errors.items() if not np.isfinite(value)]
    if wrong:
        raise DataError(f"normalized RMSE of {', '.join(wrong)} is not finite")
    if not networks:
        raise DataError(f"no network among the scored models: {', '.join(errors)}")
    if network is not None and network not in networks:
        raise DataError(f"no scores for network {network!r}; found: {', '.join(networks)}")
    chosen = network or min(networks, key=lambda name: errors[name])
    better = [name for name in networks if errors[name] < errors[chosen]]
    rest = [name for name in networks if name not in (chosen, *better)]
    next_one = [min(rest, key=lambda name: errors[name])] if rest else []
    margins = {
        name: 1 - errors[chosen] / errors[name]
        for name in (*BASELINES, *next_one, *better)
        if errors.get(name, 0) > 0
    }
    return Verdict(
        chosen,
        errors[chosen],
        margins,
        num_windows=int(scores.attrs["num_windows"]),
        split=str(scores.attrs["split"]),
        intervals=margin_intervals(scores, network=chosen, others=margins),
    )


def margin_intervals(
    scores: xr.Dataset, *, network: str, others: Iterable[str]
) -> dict[str, tuple[float, float]]:
    """Read the intervals of a network's margins; none where the scores have none."""
    if "margin_low" not in scores:
        return {}
    low, high = (
        scores[f"margin_{end}"].sel(model=network, drop=True).to_series() for end in ("low", "high")
    )
    return {name: (low[name], high[name]) for name in others if np.isfinite(low[name])}


def skill(rmse: xr.DataArray) -> xr.DataArray:
    """Give 1 - RMSE / RMSE of persistence; 1 is perfect, 0 no better than persistence."""
    return 1 - rmse / rmse.sel(model="persistence", drop=True)


def decimals_for(values: Sequence[float] | np.ndarray, *, digits: int = 3) -> int:
    """Choose decimals that show `digits` significant digits of the smallest size above 0."""
    sizes = np.abs(np.asarray(values, dtype=float).ravel())
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    if sizes.size == 0:
        return digits - 1
    return int(np.clip(digits - 1 - math.floor(math.log10(sizes.min())), 0, 9))


def _words(name: str) -> str:
    return name.replace("_", " ")


def _listing(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _clauses(parts: Sequence[str]) -> str:
    """Join what is said of those that it beats, is level with and is behind."""
    if len(parts) < 3:
        return " but ".join(parts)
    return f"{', '.join(parts[:-1])} but {parts[-1]}"


def _decimals_of_percent(margin: float) -> int:
    """Choose decimals by which a small margin is not shown as none: one to three."""
    return int(np.clip(-math.floor(math.log10(100 * abs(margin) or 1)), 1, 3))


def _interval(low: float, high: float, decimals: int) -> str:
    return f"[{_percent(low, decimals)}, {_percent(high, decimals)}]"


def _percent(fraction: float, decimals: int) -> str:
    """Write a fraction in percent, without a sign where nothing is left of it."""
    text = f"{100 * fraction:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
