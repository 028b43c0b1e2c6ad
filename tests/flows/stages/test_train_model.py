"""One model trained once, whatever flow asks for it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from flows.stages import train_model as stage
from flows.stages.train_model import train_model
from pipelines.training.train import train
from tests.pipelines.training.training_jobs import make_job, with_trainer


def test_a_finished_training_waits_for_no_gpu_and_is_shown_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    @contextmanager
    def noted(step: str) -> Iterator[None]:
        steps.append(step)
        yield
        steps.append(f"end of {step}")

    def run_here(job: object, folder: Path) -> None:
        steps.append("train")
        (folder / "model.safetensors").touch()

    monkeypatch.setattr(stage, "gpu_slot", lambda device: noted(f"slot on {device}"))
    monkeypatch.setattr("pipelines.training.train._run_process", run_here)
    job = with_trainer(make_job(tmp_path / "set.zarr"), accelerator="gpu")
    folder = tmp_path / "trainings" / job.folder_name
    for _ in "first", "second":
        checkpoint = train_model(
            job, workspace=tmp_path, shown=lambda folder: noted(f"page of {folder.name}")
        )
        assert checkpoint == folder / "model.safetensors"
    page = f"page of {folder.name}"
    once = ["slot on cuda", page, "train", f"end of {page}", "end of slot on cuda"]
    assert steps == once
    other = replace(job, training_set_fingerprint="other")
    train_model(other, workspace=tmp_path, train=lambda job, folder: train(job, folder=folder))
    assert steps[len(once) :] == ["slot on cuda", "train", "end of slot on cuda"]
