"""Jobs of the smallest size, for tests of training."""

from dataclasses import replace
from pathlib import Path

from met2net.training.settings import OptimizationSettings
from pipelines.training.job import TrainerSettings, TrainingJob
from tests.pipelines.small_project import VARIABLES, WINDOW

SIZES = {"num_inputs": WINDOW.num_inputs, "num_targets": WINDOW.num_targets, "spatial_dim": 4,
         "latent_dim": 8, "num_blocks": 2}  # fmt: skip


def make_job(training_set: Path, **optimization: object) -> TrainingJob:
    """A Met2Net with drop path and batch normalization in a reference frame."""
    variables = {name: list(labels) for name, labels in VARIABLES.items()}
    return TrainingJob(
        name="met2net",
        training_set=str(training_set),
        training_set_fingerprint=training_set.stem,
        window=WINDOW,
        network={
            "_target_": "met2net.models.reference_frame.ReferenceFrame",
            "variables": variables,
            "forecaster": {
                "_target_": "met2net.models.met2net.Met2Net", "_partial_": True, **SIZES,
                "num_heads": 2, "drop_path": 0.2,
            },
        },
        objective={"_target_": "met2net.training.two_stage.TwoStage", "translator_momentum": 0.9},
        optimization=OptimizationSettings(
            **{"learning_rate": 1e-3, "schedule": "one_cycle", "max_epochs": 2, "batch_size": 16}
            | optimization
        ),
        trainer=TrainerSettings(num_threads=1),
        provenance={"archive_snapshot": "S"},
    )  # fmt: skip


def with_trainer(job: TrainingJob, **changes: object) -> TrainingJob:
    """The same job on other machinery."""
    return replace(job, trainer=replace(job.trainer, **changes))
