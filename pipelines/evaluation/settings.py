"""How trained models are scored, shown and analysed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from met2net.verification.block_bootstrap import BlockBootstrap
from pipelines.fields.target_grids import Box
from pipelines.maps.settings import MapSettings
from pipelines.period import Period
from pipelines.storms.best_tracks import find_storm
from pipelines.storms.checks import check_storm_settings

__all__ = ["EvaluationSettings", "ScoringSettings"]

_EDGES = ("south", "north", "west", "east")


@dataclass(frozen=True)
class ScoringSettings:
    """What scoring gives beside the scores of the whole field.

    Attributes:
        regions: name -> `south`, `north`, `west` and `east` of a box that is scored too
            [degrees].
        land_sea_mask: file that tells land from sea, which are scored too, or None; see
            `pipelines.evaluation.land_sea`.
        save_forecasts: keep every model's forecasts as a Zarr store.
        block_days: days in a block of the bootstrap behind the intervals.
        num_resamples: resamples of the bootstrap.
        seed: of the bootstrap.

    Raises:
        ValueError: if a box lacks an edge or has a name that is taken, or a number is out of
            range.
    """

    regions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    land_sea_mask: str | None = None
    save_forecasts: bool = False
    block_days: int = 10
    num_resamples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the boxes' edges and the bootstrap's numbers."""
        for name, edges in self.regions.items():
            if sorted(edges) != sorted(_EDGES):
                raise ValueError(
                    f"region {name} has {', '.join(edges) or 'nothing'}; "
                    f"expected {', '.join(_EDGES)}"
                )
            if name in ("all", "land", "sea"):
                raise ValueError(f"a region is named {name}; expected a name of its own")
        boxes = {
            name: {edge: float(at) for edge, at in edges.items()}
            for name, edges in self.regions.items()
        }
        object.__setattr__(self, "regions", boxes)
        self.bootstrap  # noqa: B018 - checks the numbers

    @property
    def bootstrap(self) -> BlockBootstrap:
        """How init times are resampled."""
        return BlockBootstrap(
            block_days=self.block_days, num_resamples=self.num_resamples, seed=self.seed
        )


@dataclass(frozen=True)
class EvaluationSettings:
    """What is scored, and on how much of it the analyses look.

    Attributes:
        split: the split that is scored.
        batch_size: windows a step; changes no score.
        num_examples: worked windows in the report.
        num_analysis_samples: windows behind CKA and attention maps.
        scoring: regions, intervals, kept forecasts.
        storms: cyclones that are followed, as `Mawar 2023`; see
            `pipelines.storms.best_tracks.find_storm`.
        maps: how maps are drawn; no score depends on it.

    Raises:
        ValueError: if a value is out of range, or a storm is unknown.
    """

    split: Literal["train", "validation", "test"] = "test"
    batch_size: int = 64
    num_examples: int = 1
    num_analysis_samples: int = 64
    scoring: ScoringSettings = field(default_factory=ScoringSettings)
    storms: Sequence[str] = ()
    maps: MapSettings = field(default_factory=MapSettings, compare=False)

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.split not in ("train", "validation", "test"):
            raise ValueError(f"split is {self.split!r}; expected train, validation or test")
        for name, smallest in (("batch_size", 1), ("num_examples", 1), ("num_analysis_samples", 4)):
            value = getattr(self, name)
            if value < smallest:
                raise ValueError(f"{name} is {value}; expected at least {smallest}")
        object.__setattr__(self, "storms", tuple(self.storms))
        for name in self.storms:
            find_storm(name)

    def check_fits(
        self,
        *,
        target_hours: Sequence[int],
        channels: Sequence[str],
        splits: Mapping[str, Period],
        box: Box | None,
    ) -> None:
        """Check what depends on the data, before any are fetched.

        Args:
            target_hours: lead times of the windows.
            channels: that are forecast.
            splits: name -> period.
            box: of the archive's grid; None: as the source has it.

        Raises:
            ValueError: if maps of a lead time are asked for that windows lack, or a storm
                cannot be followed.
        """
        self.maps.shown(target_hours)
        check_storm_settings(
            self.storms, channels=channels, split=self.split, period=splits[self.split], box=box
        )
