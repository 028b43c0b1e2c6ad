import torch

from met2net.training.settings import OptimizationSettings
from pipelines.costs_file import read_costs, write_costs
from pipelines.training_job import TrainerSettings, TrainingJob, write_job
from tests.pipelines.small_project import VARIABLES, WINDOW, make_training_set


def test_training_steps_are_measured_where_the_job_lies_beside_the_checkpoint(tmp_path):
    training_set = make_training_set(tmp_path)
    sizes = {"num_inputs": 3, "num_targets": 2, "spatial_dim": 2, "latent_dim": 8,
             "num_blocks": 2, "down_sampling": False}  # fmt: skip
    job = TrainingJob(
        name="tau", training_set=str(training_set), training_set_fingerprint=training_set.stem,
        window=WINDOW,
        network={"_target_": "met2net.models.baselines.tau.TAU", **sizes,
                 "variables": {name: list(labels) for name, labels in VARIABLES.items()}},
        objective={"_target_": "met2net.training.objective.EndToEnd"},
        optimization=OptimizationSettings(
            learning_rate=1e-3, schedule="constant", max_epochs=1, batch_size=3
        ),
        trainer=TrainerSettings(num_threads=1), provenance={},
    )  # fmt: skip
    write_job(job, tmp_path / "tau" / "job.json")
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    checkpoints = {name: tmp_path / name / "model.safetensors" for name in ("tau", "other")}
    path = write_costs(checkpoints, out=tmp_path)
    costs = read_costs(tmp_path)
    assert path == tmp_path / "costs.nc" and costs["network"].values.tolist() == ["tau"]
    assert 0 < costs["step_time"].item() < 60 and costs["batch_size"].item() == 3
    assert costs["num_threads"].item() == 1 and costs.attrs["device"] == "cpu"
    assert torch.equal(torch.get_rng_state(), state) and torch.get_num_threads() == threads
    # What was measured is found again, not measured anew.
    write_costs(checkpoints, out=tmp_path)
    assert read_costs(tmp_path).identical(costs)
    assert write_costs({"other": checkpoints["other"]}, out=tmp_path / "new") is None
    assert read_costs(tmp_path / "new") is None
