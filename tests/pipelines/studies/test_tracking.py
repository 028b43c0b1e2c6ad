import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipelines.paper.cells import Cell
from pipelines.studies.tracking import track_study
from pipelines.tracking.find_runs import open_experiment
from pipelines.tracking.mlflow_quiet import mlflow


def test_a_study_has_one_run_although_two_log_it_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "table.csv").write_text("model\n")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    open_experiment(uri, "table1")
    create = mlflow.MlflowClient.create_run

    def create_late(*arguments: Any, **options: Any) -> Any:
        time.sleep(0.5)  # the other one has looked for the run by now, unless it waits
        return create(*arguments, **options)

    monkeypatch.setattr(mlflow.MlflowClient, "create_run", create_late)

    def log(_: int) -> str:
        return track_study(
            [tmp_path / "table.csv"], tracking_uri=uri, experiment="table1", fingerprint="f",
            cells=[Cell("PredRNN++", "t2m", "mse", "K2", clean=1.5)], settings={"seed": 0},
        )  # fmt: skip

    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(log, range(2))
    assert first == second
    client = mlflow.MlflowClient(tracking_uri=uri)
    (run,) = client.search_runs([client.get_experiment_by_name("table1").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.metrics == {"clean/PredRNNpp/t2m/mse": 1.5}
    assert [file.path for file in client.list_artifacts(first)] == ["table.csv"]
