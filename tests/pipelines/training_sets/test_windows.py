from dataclasses import replace

import pytest

from met2net.data.grid import Grid
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from pipelines.errors import DataError
from pipelines.training_sets.windows import load_fitting, windows_in_split
from tests.pipelines.small_project import TEST_HOURS, WINDOW, make_checkpoint, make_training_set


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    return make_training_set(tmp_path_factory.mktemp("project"))


def _load(path, training_set, *, window=WINDOW):
    data = TrainingSet.open(training_set)
    return load_fitting({"mine": path}, data=data, window=window, device="cpu")


def test_all_windows_of_a_split_are_found(training_set):
    windows = windows_in_split(TrainingSet.open(training_set), "test", WINDOW)
    assert len(windows) == TEST_HOURS - 4  # five frames in a row


def test_a_split_without_a_window_is_refused(training_set):
    window = WindowSpec((-24, 0), (24,))
    with pytest.raises(DataError, match="split 'test', which has 48 hours; expected at least 49"):
        windows_in_split(TrainingSet.open(training_set), "test", window)


def test_a_fitting_checkpoint_is_loaded_in_eval_mode(training_set, tmp_path):
    loaded = _load(make_checkpoint(tmp_path / "m.safetensors", training_set), training_set)
    assert not loaded["mine"].network.training


def test_a_network_for_other_frames_is_refused(training_set, tmp_path):
    path = make_checkpoint(tmp_path / "m.safetensors", training_set)
    with pytest.raises(DataError, match=r"mine: found input hours \(-2, -1, 0\); expected \(0,\)"):
        _load(path, training_set, window=WindowSpec((0,), (1, 2)))
    with pytest.raises(DataError, match=r"found target hours \(1, 2\); expected \(1, 3\)"):
        _load(path, training_set, window=WindowSpec((-2, -1, 0), (1, 3)))


def test_the_stride_of_the_windows_may_differ(training_set, tmp_path):
    path = make_checkpoint(tmp_path / "m.safetensors", training_set)
    _load(path, training_set, window=replace(WINDOW, stride_hours=6))


def test_a_network_for_another_grid_is_refused(training_set, tmp_path):
    grid = Grid((1.0, 0.0), (0.0, 1.0))
    path = make_checkpoint(tmp_path / "m.safetensors", training_set, grid=grid)
    with pytest.raises(DataError, match="mine: found grid 2 x 2 .* expected 3 x 4"):
        _load(path, training_set)


def test_a_network_for_other_channels_or_units_is_refused(training_set, tmp_path):
    data = TrainingSet.open(training_set)
    units = ("degC", *data.units[1:])
    path = make_checkpoint(tmp_path / "units.safetensors", training_set, units=units)
    with pytest.raises(DataError, match="found units .*degC"):
        _load(path, training_set)

    names = ("d2m", *data.channels[1:])
    other = make_checkpoint(
        tmp_path / "channels.safetensors",
        training_set,
        normalizer=replace(data.normalizer, channels=names),
        variables={"t2m": ("d2m",), "wind": ("u10",), "r": ("r850", "r1000")},
    )
    with pytest.raises(DataError, match="found channels .*d2m.* expected .*t2m"):
        _load(other, training_set)
