from pathlib import Path

import pytest

from met2net.training.settings import OptimizationSettings
from met2net.windows import WindowSpec
from pipelines.training_job import TrainerSettings, TrainingJob, write_job
from pipelines.training_process import main
from tests.pipelines.small_project import make_training_set


def test_a_split_without_a_window_is_one_line_and_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    training_set = make_training_set(tmp_path)
    job = TrainingJob(
        name="tau",
        training_set=str(training_set),
        training_set_fingerprint=training_set.stem,
        window=WindowSpec.regular(num_inputs=1, num_targets=1, step_hours=100),
        network={
            "_target_": "met2net.models.baselines.tau.TAU",
            "variables": {"t2m": ["t2m"]},
            "num_inputs": 1,
            "num_targets": 1,
            "spatial_dim": 4,
            "latent_dim": 8,
            "num_blocks": 2,
        },
        objective={"_target_": "met2net.training.objective.EndToEnd"},
        optimization=OptimizationSettings(
            learning_rate=1e-3, schedule="constant", max_epochs=1, batch_size=4
        ),
        trainer=TrainerSettings(),
        provenance={},
    )
    write_job(job, tmp_path / "job.json")
    assert main(tmp_path / "job.json") == 2
    printed = capsys.readouterr().err.strip().splitlines()[-1]
    assert printed == (
        "error: the validation split has 48 hours and not one complete window; "
        "a window spans 101 hours"
    )
