"""A registry with a model that is a pickle: nothing of it is loaded."""

from pathlib import Path

import pytest
import yaml

from met2net.checkpoint import load_checkpoint
from pipelines.errors import DataError
from pipelines.forecasting.model import find_model
from pipelines.registry.versions import fetch_checkpoint
from pipelines.tracking.mlflow_quiet import mlflow
from tests.security.pickle_bomb import bomb


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


def evil_model(folder: Path, marker: Path, *, flavors: dict[str, object]) -> str:
    """Write a model folder whose Python model and checkpoint are pickles."""
    folder.mkdir()
    for name in ("python_model.pkl", "model.safetensors"):
        (folder / name).write_bytes(bomb(marker))
    card = {"flavors": flavors, "model_uuid": "0" * 32, "utc_time_created": "2026-01-01 00:00:00"}
    (folder / "MLmodel").write_text(yaml.safe_dump(card))
    return folder.as_uri()


def python_function(path: str | None) -> dict[str, object]:
    flavor: dict[str, object] = {
        "loader_module": "mlflow.pyfunc.model", "python_model": "python_model.pkl",
        "cloudpickle_version": "3.1.1", "python_version": "3.11.0",
    }  # fmt: skip
    if path is not None:
        flavor["artifacts"] = {"checkpoint": {"path": path, "uri": path}}
    return {"python_function": flavor}


def test_a_registered_pickle_is_refused_unread(store: str, tmp_path: Path) -> None:
    marker = tmp_path / "was_loaded"
    client = mlflow.MlflowClient(tracking_uri=store)
    client.create_registered_model("evil")
    cases = {
        "no checkpoint": python_function(None),
        "escaping": python_function("../../secret.safetensors"),
        "absolute": python_function("/etc/passwd"),
        "other flavour": {"sklearn": {"pickled_model": "python_model.pkl"}},
        "pickled weights": python_function("model.safetensors"),
    }
    for number, (name, flavors) in enumerate(cases.items(), start=1):
        source = evil_model(tmp_path / str(number), marker, flavors=flavors)
        client.create_model_version("evil", source=source)
        if name == "pickled weights":
            found = find_model("models:/evil/5", tracking_uri=store, folder=tmp_path)
            with pytest.raises(ValueError, match="is damaged or no safetensors file"):
                load_checkpoint(found.checkpoint)
            continue
        out = tmp_path / "out.safetensors"
        with pytest.raises(DataError, match=f"evil version {number} names the checkpoint"):
            fetch_checkpoint("evil", str(number), tracking_uri=store, out=out)
        assert not out.exists()
    assert not marker.exists()


def test_mlflow_s_own_loading_refuses_pickles_where_it_is_told_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    marker = tmp_path / "was_loaded"
    evil_model(tmp_path / "model", marker, flavors=python_function(None))
    monkeypatch.setenv("MLFLOW_ALLOW_PICKLE_DESERIALIZATION", "false")
    with pytest.raises(mlflow.MlflowException, match="(?i)pickle"):
        mlflow.pyfunc.load_model(str(tmp_path / "model"))
    assert not marker.exists()
