from dataclasses import replace
from pathlib import Path

import pytest
import xarray as xr

from flows.settings.config import load_experiment
from flows.stages.model_job import model_job
from pipelines.training.initial_weights import InitialWeights


@pytest.fixture
def training_set(tmp_path: Path) -> Path:
    """The axes of a regional training set."""
    path = tmp_path / "abc123.zarr"
    axes = {"latitude": [20.0, 19.0], "longitude": [70.0, 71.0]}
    xr.Dataset(coords=axes).to_zarr(path, consolidated=True, zarr_format=2)
    return path


def test_a_job_has_the_model_s_settings_and_says_what_it_came_from(training_set):
    experiment = load_experiment(["experiment=mumbai_monthly", "training.seed=7"])
    job = model_job(
        experiment, "met2net", training_set=training_set, provenance={"archive_snapshot": "S"}
    )
    assert (job.name, job.training_set_fingerprint) == ("met2net", "abc123")
    assert job.optimization.seed == 7 and job.network == experiment.models["met2net"].network
    assert job.provenance["experiment"] == "mumbai_monthly"
    assert job.provenance["training_set"] == "abc123"
    assert job.provenance["archive_snapshot"] == "S"
    assert len(job.provenance["git_commit"]) >= 7
    assert all(isinstance(value, str) for value in job.provenance.values())
    assert job.initial_weights is None


def test_a_job_may_have_another_name_and_start_from_weights(training_set):
    experiment = load_experiment(["experiment=mumbai_monthly"])
    start = InitialWeights("old.safetensors", "0" * 64)
    job = model_job(
        experiment, "met2net", name="challenger", training_set=training_set, provenance={},
        initial_weights=start,
    )  # fmt: skip
    plain = model_job(experiment, "met2net", training_set=training_set, provenance={})
    assert (job.name, job.initial_weights) == ("challenger", start)
    assert replace(job, name="met2net", initial_weights=None) == plain
