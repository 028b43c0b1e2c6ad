"""A training that stops inside an epoch and goes on equals an undisturbed one, bit for bit."""

from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
import torch

import pipelines.training.process as training_process
from met2net import register, settings_of
from met2net.checkpoint import load_checkpoint
from pipelines.training.callbacks import MidEpochCheckpoint
from pipelines.training.job import TrainingJob
from pipelines.training.process import run_training
from tests.own_schedule import PowerDecay
from tests.pipelines.small_project import make_training_set
from tests.pipelines.training.training_jobs import make_job, with_trainer

pytestmark = [
    # Windows are read by threads of the loader's own.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    # A resumed training finds its own checkpoints.
    pytest.mark.filterwarnings("ignore:.*exists and is not empty"),
]


class Stopped(Exception):
    pass


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("data"))


def make_stopping_job(training_set: Path, **changes: object) -> TrainingJob:
    # Every step of which no epoch ends leaves a state.
    return with_trainer(make_job(training_set, **changes), checkpoint_minutes=0.0)


def run_until(stop: Callable[[L.Trainer], bool], job: TrainingJob, folder: Path) -> None:
    class StoppingAfter(MidEpochCheckpoint):
        def on_train_batch_end(self, trainer, *arguments):
            super().on_train_batch_end(trainer, *arguments)
            if stop(trainer):
                raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_process, "MidEpochCheckpoint", StoppingAfter)
        with pytest.raises(Stopped):
            run_training(job, folder)


@pytest.mark.parametrize(
    ("changes", "batches"),
    [
        ({}, [3]),  # in the first epoch
        ({}, [11, 12]),  # twice in the second of 8 batches
        # Steps of 3, 3 and 2 batches; the state before batch 5 is that of the step before.
        ({"accumulate_batches": 3, "average_decay": 0.9}, [4, 13]),
        ({"schedule": settings_of(register(PowerDecay), power=2)}, [11]),
    ],
)
def test_a_training_stopped_mid_epoch_ends_as_an_undisturbed_one(
    training_set: Path, tmp_path: Path, changes: dict[str, object], batches: list[int]
) -> None:
    job = make_stopping_job(training_set, **changes)
    run_training(job, tmp_path / "whole")
    for number in batches:
        run_until(
            lambda trainer, n=number: trainer.fit_loop.total_batch_idx + 1 == n,
            job,
            tmp_path / "stopped",
        )
    run_training(job, tmp_path / "stopped")

    weights, metrics = [], []
    for name in ("whole", "stopped"):
        checkpoint = load_checkpoint(tmp_path / name / "model.safetensors")
        weights.append(checkpoint.network.state_dict())
        metrics.append((tmp_path / name / "metrics.csv").read_text())
    for name, expected in weights[0].items():
        torch.testing.assert_close(weights[1][name], expected, rtol=0, atol=0)
    assert metrics[0] == metrics[1]  # means over the whole epoch, not over its rest


def test_a_state_is_written_when_its_time_has_come_and_only_between_steps(
    training_set: Path, tmp_path: Path
) -> None:
    written = []

    class Noting(MidEpochCheckpoint):
        def __init__(self, path, *, minutes):
            self.seconds = 0.0
            super().__init__(path, minutes=minutes, clock=lambda: self.seconds)

        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            self.seconds += 60  # a minute a batch
            save = trainer.save_checkpoint
            trainer.save_checkpoint = lambda *_, **__: written.append(batch_idx)
            super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
            trainer.save_checkpoint = save

    job = with_trainer(
        make_job(training_set, max_epochs=1, accumulate_batches=2), checkpoint_minutes=3.0
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training_process, "MidEpochCheckpoint", Noting)
        run_training(job, tmp_path)
    # Batches 0 to 7, steps after 1 3 5 7; the third minute ends with batch 2, inside a step;
    # after batch 3 the next three end with batch 6, inside the step that ends the epoch.
    assert written == [3]
