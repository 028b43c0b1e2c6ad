from pathlib import Path

import pytest

from met2net.checkpoint import load_checkpoint, save_checkpoint
from pipelines.errors import DataError
from pipelines.forecasting.model import find_model
from tests.pipelines.registry.test_register import (
    SHAPE,
    make_checkpoint,
    make_run_folder,
    make_tags,
    register_demo,
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("registered")
    store = f"sqlite:///{folder / 'mlflow.db'}"
    run_folder = make_run_folder(folder / "demo", shape=SHAPE)
    save_checkpoint(run_folder / "models" / "met2net" / "model.safetensors", make_checkpoint())
    register_demo(store, run_folder, "demo")
    register_demo(store, run_folder, "demo", tags=make_tags("e" * 16))
    return store


def test_an_alias_and_a_version_lead_to_the_registered_weights(store: str, tmp_path: Path) -> None:
    champion = find_model("models:/demo@champion", tracking_uri=store, folder=tmp_path)
    second = find_model("models:/demo/2", tracking_uri=store, folder=tmp_path)
    assert (champion.label, champion.version) == ("demo-1", "1")
    assert (second.label, second.version) == ("demo-2", "2")
    checkpoint = load_checkpoint(champion.checkpoint)
    assert checkpoint.grid == make_checkpoint().grid


def test_a_file_is_a_model_without_a_version(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "mine.safetensors", make_checkpoint())
    found = find_model(
        str(tmp_path / "mine.safetensors"), tracking_uri="sqlite:///unused.db", folder=tmp_path
    )
    assert (found.label, found.version) == ("mine", None)


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("models:/demo@king", "found no models:/demo@king in sqlite:///.*: "),
        ("models:/demo/9", "found no models:/demo/9 in"),
        ("models:/nobody@champion", "found no models:/nobody@champion in"),
        ("models:/demo", "found 'models:/demo'; expected models:/NAME@champion"),
        ("nowhere.safetensors", "found no checkpoint nowhere.safetensors; expected a file"),
    ],
)
def test_what_is_not_there_is_refused_in_one_line(
    store: str, tmp_path: Path, reference: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        find_model(reference, tracking_uri=store, folder=tmp_path)
    assert "\n" not in str(caught.value)
