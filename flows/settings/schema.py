"""What stands in a configuration where no class is named: each flow's root, and a few nodes in it.

A node with a `_target_` takes what its class takes, and is declared nowhere else. Nobody makes
objects of these classes: their fields are read as text (`flows.settings.constructor`), so that a
    misspelt
setting is refused before anything that is imported here is loaded.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from flows.settings.study import Study
from met2net.data.normalization import Method
from met2net.data.variable_definitions import Definition
from met2net.data.windows import WindowSpec
from met2net.training.objective import Objective
from met2net.training.settings import OptimizationSettings
from pipelines.cluster import Cluster
from pipelines.evaluation.protocol import Protocol
from pipelines.evaluation.settings import EvaluationSettings
from pipelines.fields.target_grids import GridSettings
from pipelines.image_sequences.sequences import SequenceSource
from pipelines.period import Period
from pipelines.registry.prune import PruneRule
from pipelines.retraining.arrival import Arrival
from pipelines.retraining.drift import DriftLimits
from pipelines.retraining.promotion import PromotionRule
from pipelines.retraining.rolling_splits import RollingSplits
from pipelines.sources.source import Source
from pipelines.training.job import TrainerSettings
from pipelines.training_sets.splits import Splits

__all__ = ["Archive", "Backfill", "BackfillStatus", "Forecast", "FullExperiment", "MonthlyRetrain",
           "ProfileTraining", "Registry", "Replay"]  # fmt: skip


@dataclass(kw_only=True)
class FullExperiment:
    """`configs/full_experiment.yaml` with an experiment."""

    seed: int
    name: str
    title: str
    workspace: Path
    archive: Path | None
    prefect_secret: str | None
    reference_frame: Literal["none", "last_input", "linear"]
    known_inputs: Sequence[str]
    mirrored_hemispheres: bool
    size: "Size"
    training: "Training"
    tracking: "Tracking"
    data: "Data"
    source: Source | SequenceSource
    models: Mapping[str, "Model"]
    protocol: Protocol
    cluster: Cluster
    trainer: TrainerSettings
    evaluation: EvaluationSettings
    study: Study | None


@dataclass(kw_only=True)
class Data:
    """`data`: weather, or image sequences."""

    form: Literal["weather", "image_sequences"] = "weather"
    variables: Mapping[str, Sequence[str]]
    definitions: Mapping[str, Definition] | None = None
    period: Period | None = None
    step_hours: int = 1
    grid: GridSettings | None = None
    splits: Splits
    window: WindowSpec
    normalization: Method = "mean_std"
    own_statistics: bool = False
    accept: Sequence[str] = ()
    habits: Mapping[str, Mapping[str, Any]] | None = None


@dataclass(kw_only=True)
class WeatherData(Data):
    """`data` of flows that know weather alone."""

    form: Literal["weather"] = "weather"
    period: Period
    grid: GridSettings


class Network:
    """Any network: its `_target_` says which."""


@dataclass(kw_only=True)
class Model:
    """`models.NAME`."""

    reference_frame: Literal["none", "last_input", "linear"]
    known_inputs: Sequence[str] = ()
    mirrored_hemispheres: bool = False
    per_variable: bool = False
    network: Network
    objective: Objective
    optimization: OptimizationSettings


@dataclass(frozen=True, kw_only=True)
class Training(OptimizationSettings):
    """`training`: of all models that do not differ."""

    learning_rate: float | None  # type: ignore[assignment]  # null: each network its own


@dataclass(kw_only=True)
class Size:
    """`size`: of all networks; null: the one published for each."""

    spatial_dim: int | None
    latent_dim: int | None
    num_blocks: int | None
    num_scales: int | None
    num_heads: int | None
    drop_path: float | None
    hidden_dim: int | None
    num_layers: int | None
    encoder_dim: int | None


@dataclass(kw_only=True)
class Tracking:
    """`tracking`: MLflow."""

    uri: str
    registered_model: str


@dataclass(kw_only=True)
class MonthlyRetrain(FullExperiment):
    """`configs/monthly_retrain.yaml` with an experiment."""

    data: WeatherData
    source: Source
    now: str | None
    start: Literal["champion", "scratch"]
    arrival: Arrival
    rolling: RollingSplits
    promotion: PromotionRule
    drift: DriftLimits
    reports: bool


@dataclass(kw_only=True)
class ReplayedMonths:
    """`replay`."""

    months: str | None


@dataclass(kw_only=True)
class Replay(MonthlyRetrain):
    """`configs/replay.yaml` with an experiment."""

    replay: ReplayedMonths


@dataclass(kw_only=True)
class Forecast(FullExperiment):
    """`configs/forecast.yaml` with an experiment."""

    data: WeatherData
    source: Source
    forecaster: Path | None
    input: Path | None
    init_time: str | None
    num_leads: int | None
    maps: bool
    out: Path | None


@dataclass(kw_only=True)
class Registry(FullExperiment):
    """`configs/registry.yaml` with an experiment."""

    action: Literal["versions", "history", "champion", "rollback", "prune"]
    date: str | None
    reason: str | None
    to: int | str | None
    now: str | None
    dry_run: bool
    prune: PruneRule


@dataclass(kw_only=True)
class ProfileChoice:
    """`profile`."""

    models: Sequence[str]
    num_batches: int


@dataclass(kw_only=True)
class ProfileTraining(FullExperiment):
    """`configs/profile_training.yaml` with an experiment."""

    profile: ProfileChoice


@dataclass(kw_only=True)
class Backfill:
    """`configs/backfill.yaml`."""

    workspace: Path
    archive: Path | None
    period: str | None
    replace: bool
    reconcile: bool
    received_after: str | None
    prefect_secret: str | None
    data: WeatherData
    source: Source


@dataclass(kw_only=True)
class BackfillStatus(Backfill):
    """`configs/backfill_status.yaml`."""


@dataclass(kw_only=True)
class Archive:
    """`configs/archive.yaml`."""

    workspace: Path
    archive: Path | None
    action: Literal["history", "check", "export", "expire"]
    snapshot: str | None
    target: Path | None
    keep_days: float | None
    keep_newest: int | None
    dry_run: bool
