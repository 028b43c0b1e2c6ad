"""Trainings beside each other: in order, some at once, with the cores shared out."""

import signal
import threading
import time
from pathlib import Path

import pytest
import torch

from flows.stages.side_by_side import share_cores, side_by_side
from pipelines.errors import TrainingError
from pipelines.training import train as training
from pipelines.training.job import TrainerSettings
from tests.pipelines.training.training_jobs import make_job


@pytest.mark.parametrize(
    ("settings", "models", "threads", "expected"),
    [
        ({"at_once": 2}, "abc", 2, [(2, 1, "ab"), (1, None, "c")]),  # the last has both cores
        ({"at_once": 2}, "ab", 16, [(2, 8, "ab")]),
        ({"at_once": 3}, "abc", 16, [(3, 5, "abc")]),
        ({"at_once": 3}, "a", 16, [(1, None, "a")]),
        ({"at_once": 1}, "ab", 16, [(1, None, "a"), (1, None, "b")]),
        ({"at_once": 3}, "ab", 1, [(1, None, "a"), (1, None, "b")]),  # one core is filled by one
        ({"at_once": 3}, "ab", 2, [(2, 1, "ab")]),
        ({"at_once": 2, "num_threads": 4}, "ab", 16, [(2, 4, "ab")]),
        ({"at_once": 2, "devices": 2}, "ab", 16, [(1, None, "a"), (1, None, "b")]),
        ({"at_once": 2, "accelerator": "gpu"}, "ab", 1, [(2, None, "ab")]),
    ],
)
def test_models_train_in_groups_that_share_the_cores(
    settings, models, threads, expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    groups = share_cores(TrainerSettings(**settings), list(models))
    found = [(trainer.at_once, trainer.num_threads, "".join(names)) for trainer, names in groups]
    assert found == expected


def test_a_single_one_runs_here() -> None:
    assert side_by_side([threading.get_ident]) == [threading.get_ident()]


def test_some_run_at_once_and_give_their_results_in_order() -> None:
    meet = threading.Barrier(2, timeout=20)  # breaks where they run one after the other

    def first() -> str:
        meet.wait()
        time.sleep(0.1)
        return "first"

    def second() -> str:
        meet.wait()
        return "second"

    assert side_by_side([first, second]) == ["first", "second"]


def test_after_a_failure_the_others_go_on_to_their_end() -> None:
    done = []
    failed = threading.Event()

    def fail() -> None:
        failed.set()
        raise TrainingError("stopped by its loss")

    def go_on() -> None:
        failed.wait(20)
        time.sleep(0.3)
        done.append("the one beside it")

    with pytest.raises(TrainingError, match="stopped by its loss"):
        side_by_side([go_on, fail])
    assert done == ["the one beside it"]


def test_a_signal_ends_the_training_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleep = "import time; print('begun', flush=True); time.sleep(60)"
    monkeypatch.setattr(training, "_command", lambda *_: [training.sys.executable, "-c", sleep])
    job = make_job(tmp_path / "set.zarr")
    main = threading.main_thread().ident
    assert main is not None

    def interrupt() -> None:
        while len(training._running) < 2:
            time.sleep(0.05)
        signal.pthread_kill(main, signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    begun = time.monotonic()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        calls = [lambda n=n: training.train(job, folder=tmp_path / str(n)) for n in range(2)]
        with pytest.raises(KeyboardInterrupt):
            side_by_side(calls)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begun < 30 and not training._running
