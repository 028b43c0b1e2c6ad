"""Files that run code when they are unpickled: every load path refuses them unread."""

import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from safetensors.torch import save_file

from met2net.checkpoint import load_checkpoint
from pipelines.errors import DataError
from pipelines.forecasting.forecast import make_forecast
from pipelines.forecasting.model import ForecastModel
from pipelines.formats.decode import decode
from pipelines.image_sequences.taxi_bj import TaxiBJ
from pipelines.training.job import write_job
from pipelines.training.process import LAST, main
from tests.pipelines.small_project import make_training_set
from tests.pipelines.training.training_jobs import make_job
from tests.security.pickle_bomb import Bomb, bomb

COUNTS = {"train": 2, "validation": 1, "test": 1}


@pytest.fixture
def marker(tmp_path: Path):
    """A path that exists only if a bomb went off."""
    path = tmp_path / "was_loaded"
    yield path
    assert not path.exists()


def test_the_bomb_would_go_off(tmp_path: Path) -> None:
    pickle.loads(bomb(tmp_path / "was_loaded"))
    assert (tmp_path / "was_loaded").is_dir()


def test_a_pickle_in_place_of_a_checkpoint_is_refused(tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "model.safetensors"
    for content in (bomb(marker), b"\x80\x00\x00\x00\x00\x00\x00\x00" + bomb(marker)):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged or no safetensors file"):
            load_checkpoint(path)
    torch.save({"state_dict": Bomb(marker)}, path)
    with pytest.raises(ValueError, match="is damaged or no safetensors file"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "target",
    [
        "os.system",
        "builtins.eval",
        "subprocess.check_output",
        "torch.load",
        "met2net.checkpoint.load_checkpoint",  # ours, but no model
        "met2net.models.build.importlib",  # reached through one of ours
        "met2net.models.build.build",
        "met2net.models.met2net.nn.Module",
        "met2net.models.met2net.Tensor",
        "met2net.models",
        "met2net.models.",
        "met2net.models...os.system",
        "met2net.models.nothing.Nothing",
        "pipelines.training.train.subprocess.check_output",
        3,
        None,
    ],
)
@pytest.mark.parametrize("inner", [False, True])
def test_a_checkpoint_can_name_no_other_code_than_models(
    tmp_path: Path, target: object, inner: bool
) -> None:
    path = tmp_path / "model.safetensors"
    evil = {"_target_": target, "command": "false"}
    outer = {"_target_": "met2net.models.reference_frame.ReferenceFrame", "variables": {}}
    settings = {**outer, "forecaster": evil} if inner else evil
    description = json.dumps({"format": 2, "settings": settings})
    save_file({"weight": torch.zeros(1)}, path, metadata={"met2net": description})
    with pytest.raises(ValueError, match="_target_ is|of another form than expected"):
        load_checkpoint(path)


@pytest.mark.parametrize(
    "description", ["{}", "[]", "null", "not JSON", '{"format": 2}', '{"format": 2, "settings": 3}',
                    '{"format": 2, "settings": {"_target_": []}}', "[" * 100_000],
)  # fmt: skip
def test_a_description_of_any_other_form_is_refused(tmp_path: Path, description: str) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"weight": torch.zeros(1)}, path, metadata={"met2net": description})
    with pytest.raises(ValueError):
        load_checkpoint(path)


def test_an_npz_with_pickled_arrays_is_refused_unread(tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "taxi.npz"
    arrays = dict.fromkeys(("X_train", "Y_train", "X_test", "Y_test"))
    for name in arrays:
        arrays[name] = np.array([Bomb(marker)], dtype=object)
    np.savez(path, **arrays)
    with pytest.raises(DataError, match="Object arrays cannot be loaded"):
        TaxiBJ(str(path)).open(COUNTS)
    with zipfile.ZipFile(path, "w") as archive:  # no .npy inside: numpy gives the bytes
        for name in arrays:
            archive.writestr(name, bomb(marker))
    with pytest.raises(DataError, match="expected also X_train, Y_train, X_test, Y_test"):
        TaxiBJ(str(path)).open(COUNTS)
    path.write_bytes(bomb(marker))
    with pytest.raises(DataError, match="as a plain npz file"):
        TaxiBJ(str(path)).open(COUNTS)


def test_an_npz_that_would_fill_the_memory_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "taxi.npz"
    np.savez_compressed(path, X_train=np.zeros(200_000))
    monkeypatch.setattr("pipelines.image_sequences.taxi_bj._LARGEST", 100_000)
    with pytest.raises(DataError, match="bytes unpacked; expected at most 100000"):
        TaxiBJ(str(path)).open(COUNTS)
    header = {"descr": "<f8", "fortran_order": False, "shape": (2**59,)}  # 4 EiB, never written
    with zipfile.ZipFile(path, "w") as archive, archive.open("X_train.npy", "w") as member:
        np.lib.format.write_array_header_1_0(member, header)
    with pytest.raises(DataError, match="as a plain npz file"):
        TaxiBJ(str(path)).open(COUNTS)


def test_a_pickle_in_place_of_weather_is_refused(tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "weather.nc"
    path.write_bytes(bomb(marker))
    with pytest.raises(DataError, match="expected GRIB, netCDF or zip"):
        decode(path)


def test_a_zip_bomb_of_weather_is_refused_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "weather.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../../escaped.grib", b"GRIB" + bytes(1_000_000))
    with pytest.raises(DataError, match="1000004 bytes unpacked; expected at most 1000"):
        decode(path, zip_limit=1000)
    assert [entry.name for entry in tmp_path.iterdir()] == ["weather.zip"]


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("set"))


def test_a_state_to_resume_from_holds_no_code(
    training_set: Path, tmp_path: Path, marker: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = tmp_path / "checkpoints" / LAST
    last.parent.mkdir()
    write_job(make_job(training_set), tmp_path / "job.json")
    torch.save({"state_dict": Bomb(marker), "epoch": 1}, last)
    for _ in range(2):  # as it is, then cut
        assert main(tmp_path / "job.json") == 2
        printed = capsys.readouterr().err.strip().splitlines()[-1]
        assert printed.startswith(f"error: {last} is damaged, or holds more than tensors")
        assert "delete it to train from the start" in printed
        last.write_bytes(last.read_bytes()[:-200])
    assert not (tmp_path / "model.safetensors").exists()


def test_a_forecast_from_a_pickle_is_one_line(tmp_path: Path, marker: Path) -> None:
    path = tmp_path / "evil.safetensors"
    path.write_bytes(bomb(marker))
    with pytest.raises(DataError, match="evil: .* is damaged or no safetensors file") as caught:
        make_forecast(
            ForecastModel(path, "evil", None),
            xr.Dataset(),
            init_time=np.datetime64("2020-01-01"),
            num_leads=None,
        )
    assert "\n" not in str(caught.value)
