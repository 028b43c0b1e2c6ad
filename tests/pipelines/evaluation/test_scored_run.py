"""Results are made where they are not there of just these inputs; what makes them is replaced."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.evaluation import scored_run
from pipelines.evaluation.scored_run import (
    analyze_run,
    follow_storms,
    forget_storms,
    gather_costs,
    score_run,
    show_examples,
)
from pipelines.evaluation.settings import ScoringSettings
from pipelines.run_folder import RunFolder


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was made, in order; each maker writes its files."""
    calls: list[str] = []

    def maker(name: str, *files: str) -> Any:
        def make(*_: Any, out: Path, **options: Any) -> None:
            calls.append(name)
            storms = [f"tracks_{storm.lower()}.nc" for storm in options.get("storms", ())]
            for file in (*files, *storms):
                (out / file).write_text(name)

        return make

    monkeypatch.setattr(
        scored_run, "evaluate", maker("scores", "scores.nc", "scores.json", "statistics.nc")
    )
    monkeypatch.setattr(scored_run, "write_examples", maker("examples", "example.nc"))
    monkeypatch.setattr(scored_run, "analyze", maker("analysis", "analysis.nc"))
    monkeypatch.setattr(scored_run, "write_costs", maker("costs", "costs.nc"))
    monkeypatch.setattr(scored_run, "track_storms", maker("tracks"))
    monkeypatch.setattr(
        scored_run, "storm_file", lambda folder, name: folder / f"tracks_{name.lower()}.nc"
    )
    return calls


def models(weights: str) -> Any:
    """Stand for scored models whose names follow from their weights."""
    return SimpleNamespace(
        training_set=None, window=None, split="test", checkpoints={}, protocol=None,
        scores=lambda scoring: f"scores of {weights}",
        examples=lambda num: f"{num} of {weights}",
        analysis=lambda **_: f"analysis of {weights}",
        costs=lambda: f"costs of {weights}",
        tracks=lambda storm, table: f"{storm} of {weights}",
    )  # fmt: skip


def fill(run: RunFolder, weights: str, *, num: int = 1, keep: bool = False) -> None:
    some, scoring = models(weights), ScoringSettings(save_forecasts=keep)
    score_run(run, some, scoring=scoring, batch_size=1, device="cpu")
    show_examples(run, some, num=num)
    analyze_run(run, some, num_samples=8, seed=0)
    follow_storms(run, some, storms=["Ann"], batch_size=1, device="cpu")


def test_only_what_has_other_inputs_is_made_again(tmp_path: Path, made: list[str]) -> None:
    run = RunFolder(tmp_path)
    fill(run, "old")
    assert made == ["scores", "examples", "analysis", "tracks"]
    fill(run, "old")
    assert len(made) == 4
    fill(run, "old", num=2)
    assert made[4:] == ["examples"]
    fill(run, "new", num=2)
    assert made[5:] == ["scores", "examples", "analysis", "tracks"]


def test_lost_costs_are_gathered_alone(tmp_path: Path, made: list[str]) -> None:
    run = RunFolder(tmp_path)
    for weights in ("old", "old", "new"):
        gather_costs(run, models(weights))
    assert made == 2 * ["costs"]
    fill(run, "new")
    (run.path / "costs.nc").unlink()
    fill(run, "new")
    gather_costs(run, models("new"))
    assert made[2:] == ["scores", "examples", "analysis", "tracks", "costs"]


def test_forecasts_that_were_not_kept_are_made_when_they_are_asked_for(
    tmp_path: Path, made: list[str]
) -> None:
    run = RunFolder(tmp_path)
    for keep in (False, True, True, False):
        fill(run, "old", keep=keep)
    assert made.count("scores") == 2


def test_a_storm_that_is_asked_for_no_longer_leaves_the_page(
    tmp_path: Path, made: list[str]
) -> None:
    run = RunFolder(tmp_path)
    follow_storms(run, models("old"), storms=["Ann", "Bob"], batch_size=1, device="cpu")
    forget_storms(run, but=["Bob"])
    assert [file.name for file in run.tracks] == ["tracks_bob.nc"]
    assert made == ["tracks", "tracks"]
