import shutil
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.tracking.find_runs import open_experiment
from pipelines.tracking.mlflow_quiet import mlflow, tracking_at
from pipelines.tracking.moved_workspace import main, readdress_artifacts
from tests.pipelines.registry.test_register import (
    SHAPE,
    make_checkpoint,
    make_inputs,
    make_run_folder,
    register_demo,
    save_checkpoint,
)


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with one registered model; tests move copies of it."""
    workspace = tmp_path_factory.mktemp("before") / "workspace"
    run_folder = make_run_folder(workspace / "runs" / "demo", shape=SHAPE)
    save_checkpoint(run_folder / "models" / "met2net" / "model.safetensors", make_checkpoint())
    register_demo(store(workspace), run_folder, "moving")
    # Its folder's address is written with % signs.
    client = mlflow.MlflowClient(tracking_uri=store(workspace))
    run = client.create_run(open_experiment(store(workspace), "Höhe"))
    client.log_text(run.info.run_id, "text", "note.txt")
    return workspace


def store(workspace: Path) -> str:
    return f"sqlite:///{workspace / 'mlflow.db'}"


def predict(workspace: Path) -> np.ndarray:
    with tracking_at(store(workspace)):
        return mlflow.pyfunc.load_model("models:/moving@champion").predict(make_inputs())


@pytest.fixture
def moved(registered: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The workspace in another folder, and nothing where it was."""
    shutil.copytree(registered, tmp_path / "it's here")
    hidden = registered.with_name("hidden")
    registered.rename(hidden)
    yield tmp_path / "it's here"
    hidden.rename(registered)


def test_a_moved_workspace_loads_its_champion_from_where_it_is_now(
    moved: Path, registered: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises((mlflow.MlflowException, OSError)):
        predict(moved)
    assert main([str(moved)]) == 0
    assert f"from {(registered / 'artifacts').as_uri()}" in capsys.readouterr().out
    assert predict(moved).shape == (2, 4, 3, *SHAPE)
    client = mlflow.MlflowClient(tracking_uri=store(moved))
    (run,) = client.search_runs([client.get_experiment_by_name("registry").experiment_id])
    assert client.list_artifacts(run.info.run_id, "figures")[0].path == "figures/scoreboard.png"
    assert readdress_artifacts(moved)[1] == 0  # again: nothing to do
    assert main([str(moved)]) == 0 and "nothing to change" in capsys.readouterr().out


def test_the_page_for_operators_has_the_command() -> None:
    page = Path(__file__).parents[3] / "docs" / "deployment.md"
    assert "\npython -m pipelines.tracking.moved_workspace workspace\n" in page.read_text()


def test_artifacts_that_were_left_behind_are_missed_and_nothing_is_changed(moved: Path) -> None:
    shutil.rmtree(moved / "artifacts")
    before = (moved / "mlflow.db").read_bytes()
    with pytest.raises(DataError, match="expected the artifacts to be moved, too"):
        readdress_artifacts(moved)
    assert (moved / "mlflow.db").read_bytes() == before


def test_a_folder_without_a_database_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("error: found no file")
    assert not (tmp_path / "mlflow.db").exists()


def test_a_file_that_is_no_database_of_mlflow_s_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"other" * 1000)
    assert main([str(tmp_path)]) == 2
    assert "file is not a database; expected MLflow's database" in capsys.readouterr().err
    (tmp_path / "mlflow.db").write_bytes(b"")
    assert main([str(tmp_path)]) == 2
    assert "no such table: experiments" in capsys.readouterr().err


def test_artifacts_in_several_folders_are_refused(moved: Path) -> None:
    client = mlflow.MlflowClient(tracking_uri=store(moved))
    client.create_experiment("elsewhere", artifact_location="file:///elsewhere/artifacts/x")
    with pytest.raises(DataError, match="expected them all in one folder"):
        readdress_artifacts(moved)
