import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
import zarr
from torch.utils.data import DataLoader

from met2net.training_set import TrainingSet
from met2net.windows import WindowSpec
from pipelines.ingest import ingest
from pipelines.period import Period
from pipelines.prepare import Splits, TrainingSetSettings, build_training_set
from pipelines.regrid import GridSettings
from tests.builders import SMALL_GRID, FakeSource

SPEC = WindowSpec.regular(num_inputs=4, num_targets=3)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six days: three to train on, a day's gap, one and one."""
    folder = tmp_path_factory.mktemp("training_set")
    archive = ingest(
        FakeSource(),
        period=Period("2016-01-01", "2016-01-06"),
        fields={"2m_temperature": (), "10m_u_component_of_wind": ()},
        grid=GridSettings(),
        raw_folder=folder / "raw",
        path=folder / "archive",
    )
    splits = Splits(
        Period("2016-01-01", "2016-01-03"),
        Period("2016-01-05", "2016-01-05"),
        Period("2016-01-06", "2016-01-06"),
    )
    variables = {"t": ("t2m",), "u": ("u10",)}
    return build_training_set(archive, TrainingSetSettings(variables, splits), folder=folder)


def test_everything_the_store_says_is_read(store: Path):
    opened = TrainingSet.open(store)
    assert opened.channels == ("t2m", "u10")
    assert opened.units == ("K", "m s-1")
    assert opened.variables == {"t": ("t2m",), "u": ("u10",)}
    assert opened.grid.matches(SMALL_GRID)
    assert np.diff(opened.hours).tolist() == [1] * 143
    assert opened.hours[0] == np.datetime64("2016-01-01T00", "h").astype(np.int64)
    assert opened.fields.shape == (144, 2, 3, 4)
    assert opened.normalizer.channels == opened.channels
    assert opened.normalizer.mean[0] == pytest.approx(285, abs=5)
    assert opened.difference_std.shape == (2,)
    assert opened.climatology.at(opened.hours[:3]).shape == (3, 2, 3, 4)
    assert opened.attrs["fingerprint"] == store.stem
    assert opened.attrs["attribution"] == "Contains made-up weather."


def test_windows_never_leave_their_split(store: Path):
    opened = TrainingSet.open(store)
    for name, hours in (("train", 72), ("validation", 24), ("test", 24)):
        assert opened.in_split(name).sum() == hours
        windows = opened.windows(name, SPEC)
        assert len(windows) == hours - 6
        first = opened.hours[opened.in_split(name)][0]
        assert int(windows[0]["init_time"]) == first + 3


def test_streaming_gives_the_same_samples_as_memory(store: Path):
    memory = TrainingSet.open(store, in_memory=True)
    stream = TrainingSet.open(store, in_memory=False)
    assert isinstance(memory.fields, np.ndarray)
    assert not isinstance(stream.fields, np.ndarray)
    for spec in (SPEC, WindowSpec((-24, -7, 0), (1, 30))):
        ours, theirs = memory.windows("train", spec), stream.windows("train", spec)
        assert len(ours) == len(theirs) > 0
        loaders = [DataLoader(w, batch_size=16) for w in (ours, theirs)]
        for a, b in zip(*loaders, strict=True):
            for key in ("inputs", "targets", "init_time"):
                assert torch.equal(a[key], b[key])


def test_stored_fields_index_like_numpy(store: Path):
    stream, memory = (TrainingSet.open(store, in_memory=m).fields for m in (False, True))
    assert len(stream) == len(memory)
    for rows in (np.array([5, 2, 2, 99]), np.arange(20, 30), slice(3, 50, 7), 4,
                 np.array([], dtype=np.int64)):  # fmt: skip
        np.testing.assert_array_equal(stream[rows], memory[rows])


def test_small_training_sets_are_kept_in_memory(store: Path, monkeypatch: pytest.MonkeyPatch):
    assert isinstance(TrainingSet.open(store).fields, np.ndarray)
    monkeypatch.setattr("met2net.training_set._MEMORY_LIMIT", 100)
    assert not isinstance(TrainingSet.open(store).fields, np.ndarray)


def test_dask_is_not_needed(store: Path):
    code = (
        "import sys; sys.modules['dask'] = None\n"
        "from pathlib import Path\n"
        "from met2net.training_set import TrainingSet\n"
        "for in_memory in (True, False):\n"
        f"    opened = TrainingSet.open(Path({str(store)!r}), in_memory=in_memory)\n"
        "    assert opened.fields[2:4].shape == (2, 2, 3, 4)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_unknown_split_is_refused(store: Path):
    with pytest.raises(ValueError, match="unknown split 'dev'; expected one of: train, valid"):
        TrainingSet.open(store).in_split("dev")


def test_absent_folder_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="found no folder .*expected a training set"):
        TrainingSet.open(tmp_path / "none.zarr")


def test_folder_with_something_else_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="cannot open .* as a training set"):
        TrainingSet.open(tmp_path)


def test_other_zarr_store_is_refused(store: Path, tmp_path: Path):
    with xr.set_options(keep_attrs=True):
        dataset = xr.open_zarr(store, chunks=None)[["data", "mean"]].drop_encoding()
    with pytest.warns(zarr.errors.ZarrUserWarning, match="Consolidated metadata"):
        dataset.to_zarr(tmp_path / "other.zarr", consolidated=True)
    with pytest.raises(ValueError, match="has no std, difference_std, climatology"):
        TrainingSet.open(tmp_path / "other.zarr")


def test_groups_that_are_not_the_channels_are_refused(store: Path, tmp_path: Path):
    path = tmp_path / "store.zarr"
    shutil.copytree(store, path)
    metadata = path / "zarr.json"
    metadata.write_text(metadata.read_text().replace(r"[\"t2m\"]", r"[\"t3m\"]"))
    with pytest.raises(ValueError, match="channels are t3m, u10; expected .* t2m, u10"):
        TrainingSet.open(path)
