from pathlib import Path

import pytest

from pipelines.errors import DataError
from pipelines.run_folder import RunFolder


def test_a_result_is_current_only_for_the_inputs_that_it_was_made_from(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    assert not run.is_current("scores", "inputs", run.scores)
    with run.making("scores", "inputs"):
        run.scores.write_text("numbers")
    assert run.is_current("scores", "inputs", run.scores)
    assert not run.is_current("scores", "other inputs", run.scores)
    assert not run.is_current("examples", "inputs", run.scores)
    run.scores.unlink()
    assert not run.is_current("scores", "inputs", run.scores)


def test_a_result_whose_making_failed_counts_as_absent_and_the_others_stay(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.scores.write_text("old numbers")
    for name in ("scores", "report"):
        with run.making(name, "old"):
            pass
    with pytest.raises(KeyboardInterrupt), run.making("scores", "new"):
        raise KeyboardInterrupt
    assert run.made_from("scores") is None and run.made_from("report") == "old"


def test_a_damaged_record_makes_nothing_current(tmp_path: Path) -> None:
    (tmp_path / "made_from.json").write_text('{"scores": "inp')
    assert RunFolder(tmp_path).made_from("scores") is None
    (tmp_path / "made_from.json").write_text("[]")
    assert RunFolder(tmp_path).made_from("scores") is None


def test_models_are_links_that_survive_a_move_and_never_replace_a_folder(tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    for name in ("first", "second"):
        (workspace / "trainings" / name).mkdir(parents=True)
        (workspace / "trainings" / name / "metrics.csv").write_text(name)
    run = RunFolder(workspace / "runs" / "demo")
    for name in ("first", "second"):
        run.link_model("tau", workspace / "trainings" / name)
        assert run.curves("tau").read_text() == name
    workspace.rename(tmp_path / "moved")
    moved = RunFolder(tmp_path / "moved" / "runs" / "demo")
    assert moved.curves("tau").read_text() == "second"
    moved.model("met2net").mkdir()
    with pytest.raises(DataError, match="found a folder .*; expected a link to .*first"):
        moved.link_model("met2net", tmp_path / "moved" / "trainings" / "first")
