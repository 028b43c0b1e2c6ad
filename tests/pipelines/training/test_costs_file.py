import pytest
import torch

from met2net.training.settings import OptimizationSettings
from pipelines.training.costs_file import read_costs, write_costs
from pipelines.training.job import TrainerSettings, TrainingJob, write_job
from tests.pipelines.small_project import VARIABLES, WINDOW, make_training_set


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    return make_training_set(tmp_path_factory.mktemp("data"))


def make_tau_job(training_set):
    sizes = {"num_inputs": 3, "num_targets": 2, "spatial_dim": 2, "latent_dim": 8,
             "num_blocks": 2, "down_sampling": False}  # fmt: skip
    return TrainingJob(
        name="tau", training_set="where/it/was.zarr", training_set_fingerprint=training_set.stem,
        window=WINDOW,
        network={"_target_": "met2net.models.baselines.metaformer.TAU", **sizes,
                 "variables": {name: list(labels) for name, labels in VARIABLES.items()}},
        objective={"_target_": "met2net.training.objective.EndToEnd"},
        optimization=OptimizationSettings(
            learning_rate=1e-3, schedule="constant", max_epochs=1, batch_size=3
        ),
        trainer=TrainerSettings(num_threads=1), provenance={},
    )  # fmt: skip


def test_training_steps_are_measured_where_the_job_lies_beside_the_checkpoint(
    training_set, tmp_path
):
    write_job(make_tau_job(training_set), tmp_path / "tau" / "job.json")
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    checkpoints = {name: tmp_path / name / "model.safetensors" for name in ("tau", "other")}
    path = write_costs(checkpoints, training_set=training_set, out=tmp_path)
    costs = read_costs(tmp_path)
    assert path == tmp_path / "costs.nc" and costs["network"].values.tolist() == ["tau"]
    assert 0 < costs["step_time"].item() < 60 and costs["batch_size"].item() == 3
    assert costs["num_threads"].item() == 1 and costs.attrs["device"] == "cpu"
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    # What was measured is found again, not measured anew.
    write_costs(checkpoints, training_set=training_set, out=tmp_path)
    assert read_costs(tmp_path).identical(costs)
    other = {"other": checkpoints["other"]}
    assert write_costs(other, training_set=training_set, out=tmp_path / "new") is None
    assert read_costs(tmp_path / "new") is None


def test_a_step_that_does_not_fit_into_memory_is_left_out(
    training_set, tmp_path, monkeypatch, caplog
):
    def too_large(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    write_job(make_tau_job(training_set), tmp_path / "tau" / "job.json")
    monkeypatch.setattr("pipelines.training.cost.measure_cost", too_large)
    checkpoints = {"tau": tmp_path / "tau" / "model.safetensors"}
    assert write_costs(checkpoints, training_set=training_set, out=tmp_path) is None
    assert "tau: 3 windows in float32 do not fit into the memory of cpu" in caplog.text
    assert read_costs(tmp_path) is None
