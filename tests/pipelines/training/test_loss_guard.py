"""A loss that is no number, or explodes, stops a training at the batch that it came of."""

import json
import os
from pathlib import Path

import pytest
import torch

import pipelines.training.process as training_process
from met2net.checkpoint import load_checkpoint
from met2net.training.module import ForecastModule
from pipelines.errors import TrainingError
from pipelines.training.job import TrainerSettings, TrainingJob
from pipelines.training.loss_guard import LossGuard
from pipelines.training.process import main, run_training
from pipelines.training.train import BAD_BATCH, DIVERGED, train
from tests.pipelines.small_project import make_training_set
from tests.pipelines.training.training_jobs import make_job, with_trainer

pytestmark = [
    # Windows are read by threads of the loader's own.
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    # A resumed training finds its own checkpoints.
    pytest.mark.filterwarnings("ignore:.*exists and is not empty"),
]


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("data"))


def spoil(patch: pytest.MonkeyPatch, batches: set[int], factor: float) -> list[torch.Tensor]:
    """Multiply the loss of some batches, counted over all epochs; gives their init times."""
    add = ForecastModule._add_gradients
    seen: list[torch.Tensor] = []
    count = 0

    def spoilt(module: ForecastModule, batch: dict[str, torch.Tensor]) -> None:
        nonlocal count
        add(module, batch)
        if count in batches:
            module.loss = module.loss * factor
            seen.append(batch["init_time"].clone())
        count += 1

    patch.setattr(ForecastModule, "_add_gradients", spoilt)
    return seen


@pytest.mark.parametrize("factor", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_with_the_batch_written_down(
    training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    job = with_trainer(make_job(training_set), checkpoint_minutes=0.0)
    with monkeypatch.context() as patch:
        seen = spoil(patch, {10}, factor)  # the third of the second epoch's 8
        with pytest.raises(TrainingError) as caught:
            run_training(job, tmp_path / "stopped")
    message = str(caught.value)
    assert "\n" not in message
    assert f"met2net: loss is {factor} at epoch 1, batch 2, after step 11" in message
    assert "run the same command again to continue" in message
    bad = json.loads((tmp_path / "stopped" / BAD_BATCH).read_text())
    assert (bad["epoch"], bad["batch"], bad["step"]) == (1, 2, 11)
    times = seen[0].numpy().astype("datetime64[h]").astype(str).tolist()
    assert bad["init_times"] == times and len(times) == 16
    # No state holds what came of the batch: going on from the last one ends as undisturbed.
    run_training(job, tmp_path / "stopped")
    run_training(job, tmp_path / "whole")
    weights = [
        load_checkpoint(tmp_path / name / "model.safetensors").network.state_dict()
        for name in ("stopped", "whole")
    ]
    for name, expected in weights[1].items():
        assert torch.equal(weights[0][name], expected), name


def test_an_exploding_loss_stops_where_there_is_a_limit(
    training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job(training_set)
    limited = with_trainer(job, loss_factor=50.0, loss_window=4)
    for batch, trainer in ((3, limited), (5, with_trainer(job, loss_factor=None, loss_window=4))):
        with monkeypatch.context() as patch:  # too early for a median; without a limit
            spoil(patch, {batch}, 1000.0)
            run_training(trainer, tmp_path / str(batch))
    with monkeypatch.context() as patch:
        spoil(patch, {5}, 1000.0)
        with pytest.raises(TrainingError, match=r"epoch 0, batch 5, .*expected at most 50 times"):
            run_training(limited, tmp_path / "stopped")


def test_scaled_fp16_may_leave_steps_out(tmp_path: Path) -> None:
    guard = LossGuard(tmp_path, name="m", factor=None, window=1, is_scaled=True)
    nan, fine = torch.tensor(float("nan")), torch.tensor(1.0)
    module = ForecastModule.__new__(ForecastModule)
    torch.nn.Module.__init__(module)

    class Trainer:
        current_epoch, global_step, is_last_batch = 0, 0, True

    def end_batch(loss: torch.Tensor) -> None:
        module.loss = loss
        batch = {"init_time": torch.zeros(1, dtype=torch.int64)}
        guard.on_train_batch_end(Trainer(), module, None, batch, 0)  # type: ignore[arg-type]

    for loss in [*[nan] * 20, fine, *[nan] * 20]:
        end_batch(loss)
    with pytest.raises(TrainingError, match="loss is nan"):
        end_batch(nan)


def test_the_process_tells_its_parent(
    training_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(job: TrainingJob, folder: Path) -> None:
        raise TrainingError("loss is nan")

    monkeypatch.setattr(training_process, "run_training", stopped)
    monkeypatch.setattr(training_process, "read_job", lambda path: make_job(training_set))
    monkeypatch.setattr(training_process, "keep_freed_memory", lambda: None)  # of tests, too
    assert main(tmp_path / "job.json") == DIVERGED
    monkeypatch.setattr(
        "pipelines.training.train._command", lambda *_: ["sh", "-c", f"exit {DIVERGED}", os.devnull]
    )
    with pytest.raises(TrainingError, match=r"was stopped by its loss; .*bad_batch.json say at"):
        train(make_job(training_set), folder=tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss_factor": 1.0}, "loss_factor is 1.0; expected more than 1"),
        ({"loss_window": 0}, "loss_window is 0; expected at least 1"),
    ],
)
def test_wrong_limits_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainerSettings(**change)  # type: ignore[arg-type]
