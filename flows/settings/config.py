"""From a list of overrides to the checked settings of an experiment."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from flows.settings.built_setting import built
from flows.settings.check_networks import check_networks
from flows.settings.compose import resolve
from flows.settings.config_error import refusing_wrong_settings
from flows.settings.data import check_form, check_step, data_settings
from flows.settings.model_name import model_name
from flows.settings.network_wrappers import wrapped_network
from flows.settings.optimization import optimization_settings
from met2net.data.channel_groups import channel_labels
from met2net.data.channel_roles import check_roles, forecast_channels
from met2net.data.normalization import Method
from met2net.data.variable_definitions import DEFINITIONS, definitions_of
from met2net.data.variables import required_fields
from met2net.data.windows import WindowSpec
from met2net.training.fitted_settings import asked_static_fields
from met2net.training.settings import OptimizationSettings
from pipelines.cluster import Cluster
from pipelines.evaluation.identity import scoring_identity
from pipelines.evaluation.protocol import Protocol
from pipelines.evaluation.settings import EvaluationSettings
from pipelines.fields.implausible import check_accept
from pipelines.fields.target_grids import GridSettings
from pipelines.fingerprint import to_plain
from pipelines.image_sequences.sequences import SequenceSource
from pipelines.period import Period
from pipelines.sources.source import Source
from pipelines.sources.static_source import check_static
from pipelines.training.job import TrainerSettings
from pipelines.training_sets.splits import Splits

__all__ = ["REGISTERED", "Experiment", "ModelSettings", "load_experiment"]

REGISTERED = "met2net"
"""The model of an experiment that verdict and registry are about."""


@dataclass(frozen=True)
class ModelSettings:
    """One model to train: network and objective as plain settings, and how to optimize."""

    network: Mapping[str, Any]
    objective: Mapping[str, Any]
    optimization: OptimizationSettings


@dataclass(frozen=True)
class Experiment:
    """Everything `full_experiment` needs, built and checked.

    Attributes:
        period, grid: of the archive; None for image sequences, which need none.
        accept: what is archived although weather does not do it, as `tp:zero_fields`.
        step_hours: time step of the archive [h].
        archive_root: folder or `s3://bucket/prefix` of all archives; None: in the workspace.
        prefect_secret: name of a Prefect Secret block with a source's key, or None.
        resolved: the composed configuration as plain values, interpolations resolved.
    """

    name: str
    title: str
    workspace: Path
    seed: int
    source: Source | SequenceSource
    period: Period | None
    grid: GridSettings | None
    accept: tuple[str, ...]
    variables: Mapping[str, tuple[str, ...]]
    splits: Splits
    window: WindowSpec
    models: Mapping[str, ModelSettings]
    normalization: Method
    protocol: Protocol
    cluster: Cluster
    trainer: TrainerSettings
    evaluation: EvaluationSettings
    tracking_uri: str
    registered_model: str
    archive_root: str | None
    prefect_secret: str | None
    resolved: Mapping[str, Any]
    step_hours: int = 1

    def __post_init__(self) -> None:
        """Check what needs no data before any are fetched."""
        check_step(self.step_hours, self.window)
        check_roles(self.window, self.channels)
        check_static(self.source, self.static_fields)
        self.evaluation.check_fits(
            target_hours=self.window.target_hours,
            channels=forecast_channels(self.window, self.channels),
            splits=self.splits.periods(),
            box=None if self.grid is None else self.grid.box,
        )

    @property
    def channels(self) -> tuple[str, ...]:
        """All labels, group after group."""
        return channel_labels(self.variables)

    @property
    def static_fields(self) -> tuple[str, ...]:
        """Static fields that some network is to see."""
        asked = [asked_static_fields(model.network) for model in self.models.values()]
        return tuple(dict.fromkeys(name for names in asked for name in names))

    @property
    def science(self) -> dict[str, Any]:
        """What scores depend on beside the training set: built values, not how they were written.

        Titles, places, what is shown and how fast, are no part of it.
        """
        return {
            "variables": [[name, labels] for name, labels in self.variables.items()],
            "window": self.window,
            "models": [
                [name, model.network, model.objective, model.optimization]
                for name, model in self.models.items()
            ],
            "processes": self.trainer.num_processes,
            "protocol": self.protocol,
            "split": self.evaluation.split,
            "scoring": scoring_identity(self.evaluation.scoring),
        }

    @property
    def inputs(self) -> dict[str, Any]:
        """What a training set depends on, as asked for; where files lie is no part of it."""
        source = to_plain(self.source)
        source.pop("folder", None)
        own = definitions_of(required_fields(self.channels)) if self.period else {}
        return {
            "source": source,
            "grid": self.grid,
            "splits": self.splits.identity,
            "normalization": self.normalization,
            # Only where there are any: what was named before keeps its name.
            **({"step_hours": self.step_hours} if self.step_hours != 1 else {}),
            **({DEFINITIONS: own} if own else {}),
        }

    @property
    def yaml(self) -> str:
        """The resolved configuration as YAML."""
        return OmegaConf.to_yaml(OmegaConf.create(dict(self.resolved)), sort_keys=False)


def load_experiment(overrides: Sequence[str], *, config: str = "full_experiment") -> Experiment:
    """Compose and build the settings of `full_experiment`, or of a flow that has them too.

    Raises:
        ConfigError: if an override does not fit or a value is refused.
    """
    plain = resolve(overrides, config=config)
    with refusing_wrong_settings():
        return _build(plain)


def _build(plain: Mapping[str, Any]) -> Experiment:
    """Build every node; each class checks its own values."""
    data = data_settings(plain)
    protocol = {**plain["protocol"], "own_statistics": data.get("own_statistics", False)}
    whole = {"data": data, "protocol": protocol}  # as the protocol has them
    source = built(plain, "source", _convert_="all")
    check_form(data, source)
    if REGISTERED not in plain["models"]:
        found = ", ".join(plain["models"]) or "none"
        raise ValueError(f"models has no {REGISTERED!r}, which is to be registered; found: {found}")
    window = built(whole, "data.window")
    networks = {
        name: wrapped_network(node, window=window) for name, node in plain["models"].items()
    }
    check_networks(
        {
            name: {"network": network, "objective": plain["models"][name]["objective"]}
            for name, network in networks.items()
        }
    )
    return Experiment(
        name=plain["name"],
        title=plain["title"],
        workspace=Path(plain["workspace"]),
        seed=plain["seed"],
        source=source,
        period=built(whole, "data.period") if "period" in data else None,
        grid=built(whole, "data.grid") if "grid" in data else None,
        accept=check_accept(data.get("accept", ())),
        variables={name: tuple(channels) for name, channels in data["variables"].items()},
        splits=built(whole, "data.splits"),
        window=window,
        models={
            name: ModelSettings(
                network=networks[name],
                objective=node["objective"],
                optimization=optimization_settings(
                    node["optimization"], f"models.{name}.optimization"
                ),
            )
            for name, node in plain["models"].items()
        },
        normalization=data.get("normalization", "mean_std"),
        protocol=built(whole, "protocol"),
        cluster=built(plain, "cluster"),
        trainer=built(plain, "trainer"),
        evaluation=built(plain, "evaluation"),
        tracking_uri=plain["tracking"]["uri"],
        registered_model=model_name(plain["tracking"]["registered_model"]),
        archive_root=plain["archive"],
        prefect_secret=plain["prefect_secret"],
        resolved=plain,
        step_hours=data.get("step_hours", 1),
    )
