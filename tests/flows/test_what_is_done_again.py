"""The table of docs/data.md, "What is done again": which results a change gives another name.

A stage does its work where no result of its name is there. So the names before and after a change
say what is done again, without training anything.
"""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import xarray as xr

from flows.settings.config import Experiment, load_experiment
from flows.stages.model_job import model_job
from met2net.data.grid import Grid
from met2net.data.static_field_file import static_field_file, write_static_field
from met2net.data.static_fields import StaticField
from met2net.data.variables import required_fields
from pipelines.archive.location import archive_location
from pipelines.evaluation import identity as result_identity
from pipelines.evaluation.identity import ScoredModels
from pipelines.fingerprint import fingerprint

WINDOWS = {"scores", "examples", "analysis"}
TRAININGS = {"met2net", "tau", "tau_single"}
ALL_BUT_ARCHIVE = {"training set", *TRAININGS, *WINDOWS}

CHANGES = [
    ("nothing", [], set()),
    ("title", ["title=Other"], set()),
    ("maps", ["evaluation.maps.lead_hours=[1]"], set()),
    ("registered name", ["tracking.registered_model=other"], set()),
    ("examples", ["evaluation.num_examples=2"], {"examples"}),
    ("analyzed windows", ["evaluation.num_analysis_samples=8"], {"analysis"}),
    ("bootstrap", ["evaluation.scoring.block_days=5"], {"scores"}),
    ("batch size of evaluation", ["evaluation.batch_size=7"], set()),
    ("threads", ["trainer.num_threads=1"], set()),
    ("memory of tasks", ["cluster.memory_limit=1GiB"], set()),
    ("split that is scored", ["evaluation.split=validation"], WINDOWS),
    ("learning rate", ["training.learning_rate=0.0007"], {*TRAININGS, *WINDOWS}),
    ("seed", ["seed=7"], {*TRAININGS, *WINDOWS}),
    ("one network", ["models.tau.network.num_blocks=3"], {"tau", *WINDOWS}),
    ("one model fewer", ["~models.tau_single"], {"tau_single", *WINDOWS}),
    ("processes", ["trainer.devices=2"], {*TRAININGS, *WINDOWS}),
    ("frames", ["data.window.num_targets=3"], {*TRAININGS, *WINDOWS}),
    ("normalization", ["data.normalization=min_max"], ALL_BUT_ARCHIVE),
    ("one more channel", ["+data.variables.d2m=[d2m]"], {"archive", *ALL_BUT_ARCHIVE}),
    ("other source", ["source=generated"], {"archive", *ALL_BUT_ARCHIVE}),
]


@pytest.fixture(autouse=True)
def weights_by_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a checkpoint be a text, and a training set the name of its folder."""
    opened = SimpleNamespace(open=lambda path: SimpleNamespace(attrs={"fingerprint": path.stem}))
    monkeypatch.setattr(result_identity, "TrainingSet", opened)
    monkeypatch.setattr(result_identity, "content_of", lambda path: path.read_text())


def names(experiment: Experiment, folder: Path, *, code: str = "now") -> dict[str, str]:
    """Give every result's name; `code` is what trained the weights."""
    fields = required_fields(experiment.channels)
    assert experiment.grid is not None
    archive = archive_location(
        None, Path("workspace"), source=experiment.source, fields=fields, grid=experiment.grid
    )
    inputs = fingerprint(archive, experiment.channels, experiment.splits, experiment.normalization)
    store = folder / f"{inputs}.zarr"
    axes = {"latitude": [20.0, 19.0], "longitude": [70.0, 71.0]}
    xr.Dataset(coords=axes).to_zarr(store, consolidated=True, zarr_format=2, mode="w")
    jobs = {
        name: model_job(experiment, name, training_set=store, provenance={}).fingerprint
        for name in experiment.models
    }
    checkpoints = {name: folder / name for name in jobs}
    for name, path in checkpoints.items():
        path.write_text(f"{jobs[name]} by {code}")
    evaluation = experiment.evaluation
    models = ScoredModels(
        store, experiment.window, evaluation.split, checkpoints, experiment.protocol
    )
    return {
        "archive": archive,
        "training set": inputs,
        **jobs,
        "scores": models.scores(evaluation.scoring),
        "examples": models.examples(evaluation.num_examples),
        "analysis": models.analysis(
            num_samples=evaluation.num_analysis_samples, seed=experiment.seed
        ),
    }


def changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {name for name in {**before, **after} if before.get(name) != after.get(name)}


@pytest.fixture(scope="module")
def experiment() -> Experiment:
    return load_experiment(["experiment=pearl_river"])


@pytest.mark.parametrize(("overrides", "redone"), [c[1:] for c in CHANGES],
                         ids=[c[0] for c in CHANGES])  # fmt: skip
def test_a_change_gives_these_results_another_name_and_no_others(
    experiment: Experiment, overrides: list[str], redone: set[str], tmp_path: Path
) -> None:
    other = load_experiment(["experiment=pearl_river", *overrides])
    assert changed(names(experiment, tmp_path), names(other, tmp_path)) == redone


def test_a_class_in_another_module_gives_no_other_name(
    experiment: Experiment, tmp_path: Path
) -> None:
    tau = experiment.models["tau"]
    target = f"met2net.moved.{tau.network['_target_'].rpartition('.')[2]}"
    before = model_job(experiment, "tau", training_set=_store(tmp_path), provenance={})
    moved = replace(before, network={**before.network, "_target_": target})
    assert moved != before
    assert moved.fingerprint == before.fingerprint


def _store(folder: Path) -> Path:
    path = folder / "set.zarr"
    axes = {"latitude": [20.0, 19.0], "longitude": [70.0, 71.0]}
    xr.Dataset(coords=axes).to_zarr(path, consolidated=True, zarr_format=2, mode="w")
    return path


def test_weights_of_other_code_are_scored_anew(experiment: Experiment, tmp_path: Path) -> None:
    before = names(experiment, tmp_path)
    assert changed(before, names(experiment, tmp_path, code="later")) == WINDOWS


def test_a_relative_and_an_absolute_folder_are_one(tmp_path: Path) -> None:
    relative, absolute = (
        names(load_experiment(["experiment=pearl_river", f"source.folder={folder}"]), tmp_path)
        for folder in ("era5", Path("era5").absolute())
    )
    assert changed(relative, absolute) == set()


def test_ground_that_one_network_sees_is_that_network_s_alone(
    experiment: Experiment, tmp_path: Path
) -> None:
    overrides = ["experiment=pearl_river", "models.tau.known_inputs=[orography]"]
    seeing = load_experiment(overrides)
    before = names(experiment, tmp_path)
    grid = Grid((20.0, 19.0), (70.0, 71.0))
    after = []
    for height in (100.0, 200.0):
        field = StaticField("orography", grid, np.full(grid.shape, height, np.float32))
        store = tmp_path / f"{before['training set']}.zarr"
        write_static_field(static_field_file(store, "orography"), field)
        after.append(names(seeing, tmp_path))
        assert changed(before, after[-1]) == {"tau", *WINDOWS}
    assert changed(*after) == {"tau", *WINDOWS}
