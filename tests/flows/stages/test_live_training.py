import json
from pathlib import Path

import pytest

import flows.stages.live_training
from flows.stages.live_training import mlflow_page, shown_in_mlflow


def test_mlflow_is_where_its_server_says_or_at_its_usual_address(tmp_path: Path) -> None:
    assert mlflow_page("http://host:80", tmp_path) == "http://host:80"
    database = f"sqlite:///{tmp_path}/mlflow.db"
    assert mlflow_page(database, tmp_path) == "http://127.0.0.1:5000"
    (tmp_path / "services").mkdir()
    record = {"pid": 1, "created": 0.0, "address": "http://127.0.0.1:5077"}
    (tmp_path / "services" / "mlflow.json").write_text(json.dumps(record))
    assert mlflow_page(database, tmp_path) == "http://127.0.0.1:5077"


def test_prefect_s_page_links_to_the_curves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []
    monkeypatch.setenv("PREFECT__RUNTIME__FLOW_RUN__ID", "a-run")
    monkeypatch.setattr(
        flows.stages.live_training, "create_link_artifact", lambda **k: made.append(k)
    )
    with shown_in_mlflow(
        tmp_path / "met2net", network="met2net", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db",
        workspace=tmp_path, experiment="demo", fingerprint="f",
    ):  # fmt: skip
        (link,) = made
    assert link["link"].startswith("http://127.0.0.1:5000/#/experiments/1/runs/")
    assert link["link_text"] == "demo: curves of met2net in MLflow"
