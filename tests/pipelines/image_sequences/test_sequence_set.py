import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from pipelines.errors import DataError
from pipelines.image_sequences.mv_mmfnist import MvMmfnist
from pipelines.image_sequences.sequence_set import SequenceSetSettings, build_sequence_set
from pipelines.image_sequences.sequences import sequence_splits
from tests.pipelines.image_sequences.image_files import write_mnist

VARIABLES = {"mnist": ("mnist",), "others": ("fashion", "inverted")}
SPLITS = sequence_splits(num_train=18, num_validation=3, num_test=5)
SETTINGS = SequenceSetSettings(VARIABLES, SPLITS)
WINDOW = WindowSpec.regular(num_inputs=3, num_targets=5)
COUNTS = {"train": 18, "validation": 3, "test": 5}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> MvMmfnist:
    folder = tmp_path_factory.mktemp("idx")
    write_mnist(folder)
    folders = (str(folder / name) for name in ("mnist", "fashion"))
    return MvMmfnist(*folders, num_frames=8, image_size=32)


@pytest.fixture(scope="module")
def store(source: MvMmfnist, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_sequence_set(source, SETTINGS, folder=tmp_path_factory.mktemp("sets"))


def content(store: Path) -> dict[str, bytes]:
    files = sorted(path for path in store.rglob("*") if path.is_file())
    return {str(path.relative_to(store)): path.read_bytes() for path in files}


def test_every_sequence_is_one_window(source: MvMmfnist, store: Path):
    data, reader = TrainingSet.open(store), source.open(COUNTS)
    assert (data.channels, data.variables) == (("mnist", "fashion", "inverted"), VARIABLES)
    for split, number in COUNTS.items():
        windows, expected = data.windows(split, WINDOW), reader.read(split, range(number))
        assert len(windows) == number
        batch = windows.batch(np.arange(number))
        np.testing.assert_array_equal(batch["inputs"], expected[:, :3])
        np.testing.assert_array_equal(batch["targets"], expected[:, 3:])


def test_a_second_build_gives_the_same_bytes(source: MvMmfnist, store: Path, tmp_path: Path):
    again = build_sequence_set(source, SETTINGS, folder=tmp_path)
    assert again.name == store.name
    assert content(again) == content(store)


def test_it_is_found_again_and_named_by_all_it_follows_from(source: MvMmfnist, store: Path):
    before = store.stat().st_mtime_ns
    assert build_sequence_set(source, SETTINGS, folder=store.parent) == store
    assert store.stat().st_mtime_ns == before
    names = {store.name}
    for other, settings in (
        (replace(source, seed=1), SETTINGS),
        (source, replace(SETTINGS, normalization="mean_std")),
        (source, replace(SETTINGS, variables={"mnist": ("mnist",)})),
    ):
        names.add(build_sequence_set(other, settings, folder=store.parent).name)
    assert len(names) == 4
    assert sorted(path.name for path in store.parent.glob(".*.partial")) == []


def test_statistics_are_of_the_training_sequences(source: MvMmfnist, store: Path):
    train = source.open(COUNTS).read("train", range(18)).astype(np.float64)
    with xr.open_zarr(store, chunks=None) as stored:
        axes = (0, 1, 3, 4)
        np.testing.assert_allclose(stored["mean"], train.mean(axes), rtol=1e-12)
        np.testing.assert_allclose(stored["std"], train.std(axes), rtol=1e-12)
        np.testing.assert_array_equal(stored["maximum"], train.max(axes))
        # Never from one sequence to the next, which is less than a day later.
        differences = (train[:, 6:] - train[:, :-6]).std(axes)
        np.testing.assert_allclose(stored["difference_std"], differences, rtol=1e-12)
        assert stored["units"].values.tolist() == ["1", "1", "1"]
        assert json.loads(stored.attrs["settings"])["source"]["class"] == "MvMmfnist"
    data = TrainingSet.open(store)
    assert data.normalizer.mean == (0.0, 0.0, 0.0) and data.normalizer.std == (1.0, 1.0, 1.0)


def test_climatology_is_the_mean_of_each_frame_of_the_training_sequences(
    source: MvMmfnist, store: Path
):
    data = TrainingSet.open(store)
    mean = source.open(COUNTS).read("train", range(18)).astype(np.float64).mean(axis=0)
    for start in (0, 8 * 20):  # a sequence of each: training, validation
        found = data.climatology.at(data.hours[start : start + 8])
        np.testing.assert_allclose(found, mean, atol=1e-6)


def test_all_pixels_weigh_the_same(store: Path):
    np.testing.assert_allclose(TrainingSet.open(store).grid.area_weights(), 1, atol=1e-5)


def test_fields_are_normalized_as_asked(source: MvMmfnist, store: Path, tmp_path: Path):
    settings = replace(SETTINGS, normalization="mean_std")
    data = TrainingSet.open(build_sequence_set(source, settings, folder=tmp_path))
    train = np.asarray(data.fields[np.flatnonzero(data.in_split("train"))]).astype(np.float64)
    np.testing.assert_allclose(train.mean(axis=(0, 2, 3)), 0, atol=1e-6)
    np.testing.assert_allclose(train.std(axis=(0, 2, 3)), 1, atol=1e-6)
    plain = TrainingSet.open(store)
    frames = np.arange(24)
    climatology = data.climatology.at(frames) * np.array(data.normalizer.std)[:, None, None]
    climatology += np.array(data.normalizer.mean)[:, None, None]
    np.testing.assert_allclose(climatology, plain.climatology.at(frames), atol=1e-6)


def test_where_published_numbers_validated_on_test_the_same_windows_do_both(
    source: MvMmfnist, tmp_path: Path
):
    splits = sequence_splits(num_train=6, num_validation=0, num_test=4)
    store = build_sequence_set(source, replace(SETTINGS, splits=splits), folder=tmp_path)
    data = TrainingSet.open(store)
    assert data.in_split("train").sum() == 6 * 8
    np.testing.assert_array_equal(data.in_split("validation"), data.in_split("test"))
    assert len(data.windows("validation", WINDOW)) == 4


def test_a_channel_that_the_source_lacks_is_refused(source: MvMmfnist, tmp_path: Path):
    settings = replace(SETTINGS, variables={"t2m": ("t2m",)})
    with pytest.raises(DataError, match="has channels mnist, fashion, inverted; found 't2m'"):
        build_sequence_set(source, settings, folder=tmp_path)
    assert list(tmp_path.glob("*.zarr")) == []


def test_impossible_settings_are_refused():
    with pytest.raises(ValueError, match="channel 'mnist' occurs twice"):
        SequenceSetSettings({"a": ("mnist",), "b": ("mnist",)}, SPLITS)
    with pytest.raises(ValueError, match="normalization is 'log'; expected one of"):
        SequenceSetSettings(VARIABLES, SPLITS, "log")
