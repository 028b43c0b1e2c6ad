from types import SimpleNamespace

import pytest
import torch

from pipelines.training.costs_file import read_costs, write_costs
from pipelines.training.step_clock import StepClock
from pipelines.training.step_time import read_step_time


def run_epoch(clock: StepClock, times: list[float], *, batches: int, validation: float = 0.0):
    """Play Lightning: an epoch begins, batches end, validation takes its time, the epoch ends."""
    trainer = SimpleNamespace(
        is_last_batch=False, is_global_zero=True,
        strategy=SimpleNamespace(root_device=torch.device("cpu")),
    )  # fmt: skip
    clock.on_train_epoch_start(trainer, None)
    for number in range(batches):
        clock.on_train_batch_end(trainer, None, None, None, number)
    times[0] += validation
    clock.on_train_epoch_end(trainer, None)


def test_the_mean_of_the_quickest_epoch_is_kept_without_validation(tmp_path):
    now = [0.0]
    seconds = iter([0, 5, 1, 1, 0, 1, 2, 3, 0, 9, 9, 9])  # the first of each: the epoch's start

    def tick() -> float:
        now[0] += next(seconds)
        return now[0]

    clock = StepClock(tmp_path, batch_size=3, clock=tick)
    means = []
    for _ in range(3):
        run_epoch(clock, now, batches=3, validation=100.0)
        means.append(read_step_time(tmp_path).seconds)
    assert means == pytest.approx([7 / 3, 2.0, 2.0])
    kept = read_step_time(tmp_path)
    assert kept.batch_size == 3 and kept.device == "cpu"
    assert kept.num_threads == torch.get_num_threads()
    assert read_step_time(tmp_path / "none") is None


def test_costs_are_those_that_trainings_kept(tmp_path):
    clock = iter([0.0, 0.5, 1.0])
    (tmp_path / "tau").mkdir()
    run_epoch(
        StepClock(tmp_path / "tau", batch_size=4, clock=lambda: next(clock)), [0.0], batches=2
    )
    checkpoints = {name: tmp_path / name / "model.safetensors" for name in ("tau", "other")}
    assert write_costs(checkpoints, out=tmp_path) == tmp_path / "costs.nc"
    costs = read_costs(tmp_path)
    assert costs["network"].values.tolist() == ["tau"] and costs.attrs["device"] == "cpu"
    assert costs["step_time"].item() == 0.5 and costs["batch_size"].item() == 4
    assert write_costs({"other": checkpoints["other"]}, out=tmp_path / "new") is None
    assert read_costs(tmp_path / "new") is None
