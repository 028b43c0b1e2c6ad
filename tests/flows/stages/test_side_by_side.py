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
        ({"at_once": 3}, 3, 2, (3, 1)),  # three trainings of a thread keep both cores busy
        ({"at_once": 3}, 3, 16, (3, 5)),
        ({"at_once": 3}, 2, 16, (2, 8)),
        ({"at_once": 3}, 1, 16, (1, None)),
        ({"at_once": 1}, 3, 16, (1, None)),
        ({"at_once": 3}, 3, 1, (1, None)),  # one core is filled by one
        ({"at_once": 3, "num_threads": 4}, 3, 16, (3, 4)),
        ({"at_once": 3, "devices": 2}, 3, 16, (1, None)),
        ({"at_once": 2, "accelerator": "gpu"}, 3, 1, (2, None)),
    ],
)
def test_cores_are_shared_out_among_those_that_run_at_once(
    settings, models, threads, expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch, "get_num_threads", lambda: threads)
    shared = share_cores(TrainerSettings(**settings), num_models=models)
    assert (shared.at_once, shared.num_threads) == expected


def test_one_at_once_runs_here_and_in_order() -> None:
    here = threading.get_ident()
    assert side_by_side([threading.get_ident, lambda: 2], at_once=1) == [here, 2]


def test_some_run_at_once_and_give_their_results_in_order() -> None:
    meet = threading.Barrier(2, timeout=20)  # breaks where they run one after the other

    def first() -> str:
        meet.wait()
        time.sleep(0.1)
        return "first"

    def second() -> str:
        meet.wait()
        return "second"

    assert side_by_side([first, second], at_once=2) == ["first", "second"]


def test_after_a_failure_the_others_end_and_no_other_begins() -> None:
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
        side_by_side([go_on, fail, lambda: done.append("the next"), fail], at_once=2)
    assert done[0] == "the one beside it" and len(done) <= 2


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
        calls = [lambda n=n: training.train(job, folder=tmp_path / str(n)) for n in range(3)]
        with pytest.raises(KeyboardInterrupt):
            side_by_side(calls, at_once=2)
    finally:
        signal.signal(signal.SIGINT, before)
    assert time.monotonic() - begun < 30 and not training._running
