"""MLflow shows a training from its first epoch, in the run that is registered from later."""

import time
from pathlib import Path

import pytest
from mlflow.exceptions import MlflowException

import pipelines.tracking.live_run
from pipelines.errors import TrainingError
from pipelines.run_folder import RunFolder
from pipelines.tracking.live_run import live_curves
from pipelines.tracking.mlflow_quiet import mlflow_client
from pipelines.tracking.track_run import track_run
from tests.pipelines.synthetic_run import make_run_folder

COLUMNS = "epoch,train_loss,val_mse\n"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('live')}/mlflow.db"


def following(folder: Path, store: str, key: str):
    return live_curves(
        folder, network="met2net", tracking_uri=store, experiment="live", fingerprint=key,
        seconds=0.05,
    )  # fmt: skip


def write(folder: Path, epochs: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{epoch}.0,{1 / (epoch + 1)},{2 / (epoch + 1)}" for epoch in range(epochs)]
    (folder / "metrics.csv").write_text(COLUMNS + "\n".join(rows) + "\n")


def wait_for_epochs(store: str, run_id: str, count: int) -> list[float]:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        history = mlflow_client(store).get_metric_history(run_id, "val_mse")
        if len(history) == count:
            return [point.value for point in sorted(history, key=lambda point: point.step)]
        time.sleep(0.05)
    raise AssertionError(f"expected {count} epochs, found {len(history)}")


def status(store: str, run_id: str) -> str:
    return mlflow_client(store).get_run(run_id).info.status


def test_curves_grow_while_it_trains_in_the_run_that_is_finished_later(tmp_path, store):
    run_folder = make_run_folder(tmp_path / "demo")
    folder = run_folder / "models" / "met2net"
    (folder / "metrics.csv").unlink(missing_ok=True)
    with following(folder, store, "key1") as run:
        assert status(store, run.run_id) == status(store, run.training_id) == "RUNNING"
        write(folder, 1)
        assert wait_for_epochs(store, run.training_id, 1) == [2.0]
        write(folder, 3)
        wait_for_epochs(store, run.training_id, 3)
        write(folder, 4)  # the last look is after the training
    assert wait_for_epochs(store, run.training_id, 4) == [2.0, 1.0, 2 / 3, 0.5]
    assert (status(store, run.run_id), status(store, run.training_id)) == ("RUNNING", "FINISHED")

    def track_again() -> str:
        return track_run(
            RunFolder(run_folder), tracking_uri=store, experiment="live", fingerprint="key1",
            settings={"seed": 0}, tags={},
        )  # fmt: skip

    tracked = track_again()
    assert tracked == run.run_id and status(store, tracked) == "FINISHED"
    wait_for_epochs(store, run.training_id, 4)
    # Trained again, it has a run of its own; what is finished stays as it is.
    with following(folder, store, "key1") as again:
        assert again.run_id != run.run_id and again.training_id != run.training_id
    assert status(store, run.run_id) == "FINISHED"
    # To the same weights, and so to the same scores: the finished run is that of both.
    assert track_again() == run.run_id
    assert status(store, again.run_id) == "FINISHED"
    # What ended so is not gone on with: the next training has a run of its own, too.
    with following(folder, store, "key1") as third:
        assert third.run_id not in (run.run_id, again.run_id)


@pytest.mark.parametrize(
    ("error", "ended"), [(KeyboardInterrupt, "KILLED"), (TrainingError, "FAILED")]
)
def test_a_training_that_ended_early_goes_on_in_its_run(tmp_path, store, error, ended):
    with pytest.raises(error), following(tmp_path, store, ended) as run:
        write(tmp_path, 2)
        raise error
    assert status(store, run.run_id) == status(store, run.training_id) == ended
    wait_for_epochs(store, run.training_id, 2)
    with following(tmp_path, store, ended) as again:
        assert again == run
        assert status(store, run.run_id) == status(store, run.training_id) == "RUNNING"
        write(tmp_path, 3)
        wait_for_epochs(store, run.training_id, 3)


def test_a_store_that_does_not_answer_stops_no_training(tmp_path, store, monkeypatch, caplog):
    def refuse(*arguments: object) -> None:
        raise MlflowException("no answer")

    write(tmp_path, 1)
    with following(tmp_path, store, "deaf") as run:
        monkeypatch.setattr(pipelines.tracking.live_run, "log_curves", refuse)
        monkeypatch.setattr("mlflow.MlflowClient.set_terminated", refuse)
    assert "curves not shown yet: no answer" in caplog.messages
    assert "run not ended in MLflow: no answer" in caplog.messages
    assert run.page("http://h:5000/").endswith(
        f"5000/#/experiments/{run.experiment_id}/runs/{run.training_id}"
    )
