"""A small training set, made by the real stages, and untrained checkpoints that fit it."""

from dataclasses import replace
from pathlib import Path

import torch

from met2net.checkpoint import Checkpoint, save_checkpoint
from met2net.data.normalization import Method
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.models.build import build
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import FakeSource

WINDOW = WindowSpec.regular(num_inputs=3, num_targets=2)
VARIABLES = {"t2m": ("t2m",), "wind": ("u10",), "r": ("r850", "r1000")}
FIELDS = {
    "2m_temperature": (), "10m_u_component_of_wind": (), "relative_humidity": (850, 1000),
}  # fmt: skip
TEST_HOURS = 48


def make_archive(folder: Path) -> ArchiveState:
    """Fetch ten days."""
    return ingest(
        FakeSource(),
        period=Period("2016-01-01", "2016-01-10"),
        fields=FIELDS,
        grid=GridSettings(),
        raw_folder=folder / "raw",
        path=folder / "archive",
    )


def make_training_set(folder: Path, *, normalization: Method = "mean_std") -> Path:
    """Build of ten days: six days of training, two of validation, two of test."""
    archive = make_archive(folder)
    splits = Splits(
        Period("2016-01-01", "2016-01-06"),
        Period("2016-01-07", "2016-01-08"),
        Period("2016-01-09", "2016-01-10"),
    )
    settings = TrainingSetSettings(VARIABLES, splits, normalization=normalization)
    return build_training_set(archive, settings, folder=folder / "training-sets")


def make_checkpoint(
    path: Path,
    training_set: Path,
    *,
    model: str = "met2net",
    num_blocks: int = 2,
    **changes: object,
) -> Path:
    """Save an untrained network of the smallest size; `changes` replace checkpoint fields."""
    data = TrainingSet.open(training_set)
    sizes = {
        "num_inputs": WINDOW.num_inputs, "num_targets": WINDOW.num_targets, "spatial_dim": 4,
        "latent_dim": 8, "num_blocks": num_blocks, "down_sampling": False,
    }  # fmt: skip
    models = "met2net.models."
    tau = {"_target_": models + "baselines.metaformer.TAU", **sizes}
    settings = {
        "met2net": {"_target_": models + "met2net.Met2Net", **sizes, "num_heads": 2},
        "tau": tau,
        "tau_per_variable": {
            "_target_": models + "baselines.per_variable.PerVariable",
            "forecaster": {**tau, "_partial_": True},
        },
    }[model]
    settings["variables"] = {name: list(labels) for name, labels in data.variables.items()}
    torch.manual_seed(0)
    checkpoint = Checkpoint(
        network=build(settings),
        settings=settings,
        normalizer=data.normalizer,
        grid=data.grid,
        window=WINDOW,
        variables=data.variables,
        units=data.units,
        provenance={},
    )
    save_checkpoint(path, replace(checkpoint, **changes))
    return path
