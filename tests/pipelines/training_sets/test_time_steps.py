"""Training sets of every so many hours."""

from pathlib import Path

import numpy as np
import pytest

from met2net.data.training_set import TrainingSet
from met2net.data.training_statistics import difference_hours
from met2net.data.windows import WindowSpec
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import FakeSource, make_month

FIELDS = {"2m_temperature": (), "10m_u_component_of_wind": ()}
SPLITS = Splits(
    Period("2016-01-25", "2016-02-03"), Period("2016-02-04", "2016-02-06"),
    Period("2016-02-07", "2016-02-10"),
)  # fmt: skip


def archive(folder: Path, step: int) -> ArchiveState:
    return ingest(
        FakeSource(), period=Period("2016-01-25", "2016-02-10"), fields=FIELDS,
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive", step_hours=step,
    )  # fmt: skip


@pytest.mark.parametrize(("step", "difference"), [(3, 6), (8, 8), (12, 12), (24, 24)])
def test_statistics_climatology_and_windows_go_by_the_step(tmp_path, step, difference):
    settings = TrainingSetSettings({"t2m": ("t2m",), "u10": ("u10",)}, SPLITS)
    data = TrainingSet.open(
        build_training_set(archive(tmp_path, step), settings, folder=tmp_path / "sets")
    )
    hours = Period("2016-01-25", "2016-02-10").hours(step)
    np.testing.assert_array_equal(data.hours.astype("datetime64[h]"), hours)
    raw = np.stack([make_month(hours, fields=FIELDS)[name].values for name in FIELDS], axis=1)
    train = raw[hours < np.datetime64("2016-02-04")].astype(np.float64)
    np.testing.assert_allclose(data.mean, train.mean(axis=(0, 2, 3)), rtol=1e-9)
    apart = difference // step
    changes = (train[apart:] - train[:-apart]).std(axis=(0, 2, 3))
    np.testing.assert_allclose(data.difference_std, changes, rtol=1e-9)
    assert difference_hours(step) == difference
    scale = data.std[:, None, None], data.mean[:, None, None]
    for slot in range(24 // step):
        found = data.climatology.at(np.array([slot * step]))[0] * scale[0] + scale[1]
        expected = train[slot :: 24 // step].mean(axis=0)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-4)
    window = WindowSpec.regular(num_inputs=2, num_targets=2, step_hours=step)
    assert len(data.windows("train", window)) == 10 * 24 // step - 3
    assert len(data.windows("test", window)) == 4 * 24 // step - 3
    sample = data.windows("train", window)[0]
    assert int(sample["init_time"]) == int(data.hours[1])
    if step > 1:  # frames between the hours of the archive: none, and none made up
        hourly = WindowSpec.regular(num_inputs=2, num_targets=2, step_hours=1)
        assert len(data.windows("train", hourly)) == 0


def test_a_split_past_the_archive_says_how_many_of_its_hours_are_missing(tmp_path):
    later = Splits(SPLITS.train, SPLITS.validation, Period("2016-02-07", "2016-02-12"))
    with pytest.raises(DataError, match="8 hours are missing, the first 2016-02-11T00; expected"):
        build_training_set(
            archive(tmp_path, 6), TrainingSetSettings({"t2m": ("t2m",)}, later),
            folder=tmp_path / "sets",
        )  # fmt: skip


def test_a_split_of_one_time_has_no_differences(tmp_path):
    short = Splits(Period("2016-01-25", "2016-01-25"), SPLITS.validation, SPLITS.test)
    with pytest.raises(DataError, match="1 hours, no two of them 24 hours apart; expected at leas"):
        build_training_set(
            archive(tmp_path, 24), TrainingSetSettings({"t2m": ("t2m",)}, short),
            folder=tmp_path / "sets",
        )  # fmt: skip
