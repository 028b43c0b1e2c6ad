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

from met2net.data.batches import BatchOrder, WindowBatches
from met2net.data.fields import StoredFields
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from pipelines.archive.ingest import ingest
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
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


def test_samples_are_the_same_mapped_streamed_and_on_a_device(store: Path):
    mapped, streamed = (TrainingSet.open(store, memory_limit=n) for n in (2**30, 0))
    on_device = mapped.on_device("cpu")
    assert isinstance(on_device.fields, torch.Tensor)
    assert isinstance(mapped.fields, StoredFields) and mapped.fields.is_mapped
    assert isinstance(streamed.fields, StoredFields) and not streamed.fields.is_mapped
    for spec in (SPEC, WindowSpec((-24, -7, 0), (1, 30))):
        all_windows = [s.windows("train", spec) for s in (mapped, streamed, on_device)]
        assert len({len(windows) for windows in all_windows}) == 1
        order = BatchOrder(len(all_windows[0]), 16, shuffle=True)
        for batches in zip(*(WindowBatches(w, order) for w in all_windows), strict=True):
            for key in ("inputs", "targets", "init_time"):
                assert torch.equal(batches[0][key], batches[1][key])
                assert torch.equal(batches[0][key], batches[2][key])


def test_samples_collated_by_pytorch_are_the_batch(store: Path):
    windows = TrainingSet.open(store).windows("train", SPEC)
    collated = next(iter(DataLoader(windows, batch_size=16)))
    for key, tensor in windows.batch(np.arange(16)).items():
        assert torch.equal(collated[key], tensor)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_gathers_the_same_samples(store: Path):
    opened = TrainingSet.open(store)
    windows = opened.windows("train", SPEC)
    gathered = opened.on_device("cuda").windows("train", SPEC).batch(np.array([7, 3]))
    assert gathered["inputs"].is_cuda
    for key, tensor in windows.batch(np.array([7, 3])).items():
        assert torch.equal(gathered[key].cpu(), tensor)


def test_workers_and_processes_share_the_mapped_pages(store: Path):
    """A forked loader worker gives the same samples; nothing is copied to it.

    In a process of its own: a fork of this one, with the threads that other tests
    left (JAX's, servers'), may end before it did anything.
    """
    code = (
        "from pathlib import Path\n"
        "import torch\n"
        "from torch.utils.data import DataLoader\n"
        "from met2net.data.training_set import TrainingSet\n"
        "from met2net.data.windows import WindowSpec\n"
        "spec = WindowSpec.regular(num_inputs=4, num_targets=3)\n"
        f"windows = TrainingSet.open(Path({str(store)!r})).windows('train', spec)\n"
        "plain = DataLoader(windows, batch_size=16)\n"
        "forked = DataLoader(windows, batch_size=16, num_workers=1, "
        "multiprocessing_context='fork')\n"
        "for a, b in zip(plain, forked, strict=True):\n"
        "    assert torch.equal(a['inputs'], b['inputs'])\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_dask_is_not_needed(store: Path):
    code = (
        "import sys; sys.modules['dask'] = None\n"
        "from pathlib import Path\n"
        "from met2net.data.training_set import TrainingSet\n"
        "for limit in (2**30, 0):\n"
        f"    opened = TrainingSet.open(Path({str(store)!r}), memory_limit=limit)\n"
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
    with pytest.raises(
        ValueError, match="has no std, minimum, maximum, difference_std, climatology"
    ):
        TrainingSet.open(tmp_path / "other.zarr")


def test_groups_that_are_not_the_channels_are_refused(store: Path, tmp_path: Path):
    path = tmp_path / "store.zarr"
    shutil.copytree(store, path)
    metadata = path / "zarr.json"
    metadata.write_text(metadata.read_text().replace(r"[\"t2m\"]", r"[\"t3m\"]"))
    with pytest.raises(ValueError, match="channels are t3m, u10; expected .* t2m, u10"):
        TrainingSet.open(path)
