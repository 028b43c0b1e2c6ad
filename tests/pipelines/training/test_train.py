import csv
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from filelock import FileLock

from met2net.checkpoint import load_checkpoint
from met2net.models.known_inputs import KnownInputs
from met2net.models.linear_reference import LinearReference
from met2net.models.own_classes import dotted_name
from pipelines.errors import DataError, TrainingError
from pipelines.training.job import TrainerSettings, TrainingJob, read_job, write_job
from pipelines.training.network_grid import network_on_grid
from pipelines.training.train import CHECKPOINT, END_WITH_PARENT, train
from tests.pipelines.small_project import VARIABLES, WINDOW, make_training_set
from tests.pipelines.training.training_jobs import make_job

EPOCHS = 4


@pytest.fixture(scope="module")
def job(tmp_path_factory: pytest.TempPathFactory) -> TrainingJob:
    """A Met2Net that corrects ridge regression, and knows sun, hour and climatology."""
    training_set = make_training_set(tmp_path_factory.mktemp("data"))
    job = make_job(training_set, max_epochs=EPOCHS)
    network = {
        "_target_": dotted_name(LinearReference),
        "variables": job.network["variables"],
        "forecaster": {
            "_target_": dotted_name(KnownInputs),
            "_partial_": True,
            "fields": ["solar_radiation", "time_of_day", "climatology"],
            "forecaster": job.network["forecaster"],
        },
    }
    return replace(job, network=network_on_grid(network, training_set, window=WINDOW))


@pytest.fixture(scope="module")
def trained(job: TrainingJob, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    assert train(job, folder=folder) == folder / CHECKPOINT
    return folder


def read_metrics(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_training_gives_a_checkpoint_that_carries_everything(
    job: TrainingJob, trained: Path
) -> None:
    checkpoint = load_checkpoint(trained / CHECKPOINT)
    assert checkpoint.window == WINDOW
    assert checkpoint.variables == VARIABLES
    assert checkpoint.provenance == {"archive_snapshot": "S"}
    assert checkpoint.settings == job.network


def test_the_curve_has_one_row_an_epoch_and_falls(trained: Path) -> None:
    rows = read_metrics(trained)
    assert [float(row["epoch"]) for row in rows] == list(range(EPOCHS))
    losses = [float(row["train_loss"]) for row in rows]
    assert losses[-1] < losses[0]
    assert all(float(row["val_mse"]) > 0 for row in rows)


def test_the_same_job_again_starts_no_process(
    job: TrainingJob, trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    assert train(job, folder=trained) == trained / CHECKPOINT
    with pytest.raises(AssertionError, match="a process was started"):
        train(replace(job, training_set_fingerprint="other"), folder=trained)


def test_a_killed_training_ends_as_an_undisturbed_one(
    job: TrainingJob, trained: Path, tmp_path: Path
) -> None:
    write_job(job, tmp_path / "job.json")
    command = [sys.executable, "-m", "pipelines.training.process", str(tmp_path / "job.json")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "checkpoints" / "last.ckpt").exists():
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert not (tmp_path / CHECKPOINT).exists()

    train(job, folder=tmp_path)
    undisturbed = load_checkpoint(trained / CHECKPOINT).network.state_dict()
    resumed = load_checkpoint(tmp_path / CHECKPOINT).network.state_dict()
    for name, weights in undisturbed.items():
        torch.testing.assert_close(resumed[name], weights, rtol=0, atol=0)
    assert read_metrics(tmp_path) == read_metrics(trained)


def test_a_training_does_not_outlive_who_started_it(job: TrainingJob, tmp_path: Path) -> None:
    long = replace(job, optimization=replace(job.optimization, max_epochs=100_000))
    write_job(long, tmp_path / "job.json")
    command = [sys.executable, "-m", "pipelines.training.process", str(tmp_path / "job.json")]
    command.append(END_WITH_PARENT)
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.close()  # as the system does when the parent is gone
    assert process.wait(timeout=120) == 1


def test_a_failed_process_says_how_it_ended(job: TrainingJob, tmp_path: Path) -> None:
    with pytest.raises(
        TrainingError, match="training of met2net ended with status 1; the lines above"
    ):
        train(replace(job, training_set=str(tmp_path / "absent.zarr")), folder=tmp_path)


def test_a_killed_process_names_the_signal(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = f"import os, signal; os.kill(os.getpid(), {int(signal.SIGKILL)})"
    killer = tmp_path / "python"
    killer.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{script}'\n")
    os.chmod(killer, 0o755)
    monkeypatch.setattr(sys, "executable", str(killer))
    with pytest.raises(TrainingError, match="training of met2net was ended by SIGKILL; run the"):
        train(job, folder=tmp_path)


def test_a_training_waits_for_another_one_in_its_folder_and_takes_its_result(
    job: TrainingJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ThreadPoolExecutor(1) as pool, caplog.at_level("INFO"):
        with FileLock(tmp_path / ".lock"):
            waiting = pool.submit(train, job, folder=tmp_path)
            while not any("waiting for it to end" in text for text in caplog.messages):
                time.sleep(0.01)
            # What the other one leaves; a training of this one's own would replace it.
            (tmp_path / CHECKPOINT).write_text("trained by the other")
            (tmp_path / "done").write_text(job.fingerprint)
        assert waiting.result(timeout=60) == tmp_path / CHECKPOINT
    assert (tmp_path / CHECKPOINT).read_text() == "trained by the other"


def test_a_job_survives_its_file(job: TrainingJob, tmp_path: Path) -> None:
    write_job(job, tmp_path / "job.json")
    again = read_job(tmp_path / "job.json")
    assert again == job
    assert again.fingerprint == job.fingerprint


def test_places_and_provenance_do_not_change_a_job_s_fingerprint(job: TrainingJob) -> None:
    moved = replace(job, training_set="/elsewhere", provenance={}, trainer=TrainerSettings())
    assert moved.fingerprint == job.fingerprint
    assert replace(job, name="other").fingerprint == job.fingerprint
    several = replace(job, trainer=TrainerSettings(devices=2))  # a batch each: larger steps
    assert several.fingerprint != job.fingerprint


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"accelerator": "tpu"}, "accelerator is 'tpu'; expected cpu or gpu"),
        ({"devices": 0}, "devices is 0; expected at least 1"),
        ({"at_once": 0}, "at_once is 0; expected at least 1"),
        ({"num_threads": 0}, "num_threads is 0; expected at least 1, or null"),
        ({"prefetch": -1}, "prefetch is -1; expected at least 0"),
        ({"memory_limit": "much"}, "cannot read memory_limit 'much'; expected a size such as 2G"),
        ({"memory_limit": "1kB"}, "memory_limit is .*; expected at least 1 MiB"),
        ({"num_nodes": 0}, "num_nodes is 0; expected at least 1"),
        ({"num_nodes": 2}, "rendezvous is None with 2 machines; expected host:port where there"),
        ({"rendezvous": "a:1"}, "rendezvous is 'a:1' with 1 machines; expected host:port"),
        ({"checkpoint_minutes": -1.0}, "checkpoint_minutes is -1.0; expected at least 0, or null"),
    ],
)
def test_bad_trainer_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainerSettings(**settings)


def test_the_accelerator_names_a_torch_device() -> None:
    assert TrainerSettings(accelerator="cpu").torch_device == "cpu"
    assert TrainerSettings(accelerator="gpu").torch_device == "cuda"


def test_fp16_without_a_gpu_is_refused(job: TrainingJob) -> None:
    with pytest.raises(DataError, match="precision is '16-mixed' with accelerator 'cpu'; expected"):
        replace(job, optimization=replace(job.optimization, precision="16-mixed"))


@pytest.mark.long
def test_two_processes_train_one_model_in_a_scheduler_s_job_too(
    job: TrainingJob, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As `srun` sets them; Lightning would take four tasks, of which this is the third.
    for name, value in {
        "NTASKS": "4",
        "PROCID": "2",
        "LOCALID": "2",
        "NODEID": "0",
        "JOB_ID": "7",
        "JOB_NAME": "a",
        "NODELIST": "node[1-2]",
    }.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    two = replace(job, trainer=replace(job.trainer, devices=2))
    assert train(two, folder=tmp_path) == tmp_path / CHECKPOINT
    assert load_checkpoint(tmp_path / CHECKPOINT).settings == job.network
    assert [float(row["epoch"]) for row in read_metrics(tmp_path)] == list(range(EPOCHS))


@pytest.mark.long
def test_two_machines_train_one_model(
    job: TrainingJob, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    two = replace(job, trainer=replace(job.trainer, num_nodes=2, rendezvous=f"127.0.0.1:{port}"))
    caplog.set_level("INFO", logger="pipelines.training.train")
    others: list[subprocess.Popen[bytes]] = []

    def start_the_other(record: logging.LogRecord) -> bool:
        if "run on each, in this folder: python " in record.getMessage():
            command = record.getMessage().split("in this folder: python ")[1].split()
            # A machine at the end of a line that is closed already, as under nohup.
            others.append(subprocess.Popen([sys.executable, *command], stdin=subprocess.DEVNULL))
        return True

    logging.getLogger("pipelines.training.train").addFilter(start_the_other)
    try:
        train(two, folder=tmp_path)
        assert others[0].wait(timeout=60) == 0
    finally:
        logging.getLogger("pipelines.training.train").removeFilter(start_the_other)
        for other in others:
            other.kill()
    rows = read_metrics(tmp_path)
    assert [float(row["epoch"]) for row in rows] == list(range(EPOCHS))
    assert load_checkpoint(tmp_path / CHECKPOINT).provenance == {"archive_snapshot": "S"}
