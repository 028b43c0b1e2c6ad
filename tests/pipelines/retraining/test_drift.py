import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.archive.ingest import ingest
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Month, Period
from pipelines.retraining.drift import Drift, DriftLimits, measure_drift
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import FakeSource

FIELDS = {"2m_temperature": (), "10m_u_component_of_wind": ()}
NEW = Month(2016, 3)
LIMITS = DriftLimits()


@dataclass(frozen=True)
class ChangedSource(FakeSource):
    """The made-up weather, with one month shifted, stretched or covered with noise."""

    month: str = "2016-03"
    shift: float = 0.0
    noise: float = 0.0

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        raw = super().fetch(request, raw_folder)
        if str(request.month) != self.month:
            return raw
        name = "2m_temperature"
        field = raw.dataset[name]
        noise = np.random.default_rng(0).normal(size=field.shape).astype(np.float32)
        changed = field + np.float32(self.shift) + np.float32(self.noise) * noise
        return replace(raw, dataset=raw.dataset.assign({name: changed.assign_attrs(field.attrs)}))


def measure(folder: Path, *, limits: DriftLimits = LIMITS, **changes: float) -> Drift:
    archive = ingest(
        ChangedSource(**changes), period=Period("2016-01", "2016-03"), fields=FIELDS,
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip
    splits = Splits(
        Period("2016-01", "2016-01"), Period("2016-02", "2016-02"), Period("2016-03", "2016-03")
    )
    settings = TrainingSetSettings({"t2m": ("t2m",), "u10": ("u10",)}, splits)
    training_set = build_training_set(archive, settings, folder=folder / "sets")
    return measure_drift(training_set, month=NEW, limits=limits)


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Drift:
    return measure(tmp_path_factory.mktemp("quiet"))


def test_weather_like_before_is_no_drift(quiet: Drift):
    assert quiet.findings == () and quiet.largest < 0.5
    assert quiet.reference == "the whole training split"
    for row in quiet.channels:
        assert row.std_ratio == pytest.approx(1, abs=0.1)
        assert row.roughness_ratio == pytest.approx(1, abs=0.05)
        assert row.impossible == 0


def test_a_shift_is_told_in_training_standard_deviations(quiet: Drift, tmp_path: Path):
    shifted = measure(tmp_path, shift=12.0)
    before, row = quiet.channels[0], shifted.channels[0]
    expected = 12.0 / row.reference_std
    assert row.mean_shift - before.mean_shift == pytest.approx(expected, abs=1e-3)
    assert row.quantile_shift == pytest.approx(before.quantile_shift + expected, abs=0.1)
    assert row.mean - before.mean == pytest.approx(12.0, abs=1e-2)
    assert row.std_ratio == pytest.approx(before.std_ratio, rel=1e-3)
    assert row.outside_share > 0.1
    assert shifted.channels[1] == quiet.channels[1]
    assert shifted.where.endswith("of t2m") and shifted.largest > 1
    assert shifted.findings[0].startswith("t2m: mean shift is")


def test_noise_within_the_range_of_weather_shows_in_the_roughness(tmp_path: Path):
    noisy = measure(tmp_path, noise=6.0)
    row = noisy.channels[0]
    assert abs(row.mean_shift) < 0.2 and row.roughness_ratio > 2
    assert noisy.where == "roughness of t2m" and noisy.largest > 1


def test_impossible_values_are_beyond_any_limit(quiet: Drift):
    row = replace(quiet.channels[0], impossible=1)
    drift = replace(quiet, channels=(row,))
    assert drift.largest == np.inf and drift.where == "impossible values of t2m"


def test_the_table_and_the_file_say_what_exceeds_its_limit(quiet: Drift):
    header, rows = quiet.table()
    assert len(header) == len(rows[0]) and rows[0][0] == "t2m" and rows[0][-1] == "as before"
    tight = replace(quiet, limits=DriftLimits(1e-6, 1e-6, 1.000001, 1.000001))
    assert tight.table()[1][0][-1].startswith("drift: mean shift")
    pressure = replace(quiet.channels[0], mean=101_400.3, reference_mean=-0.633333, units="Pa")
    assert replace(quiet, channels=(pressure,)).table()[1][0][1:3] == ["101400 Pa", "-0.63333 Pa"]
    plain = json.loads(tight.to_json())
    assert len(plain["findings"]) >= 4 and plain["channels"][0]["channel"] == "t2m"


def test_the_same_month_of_other_years_is_the_reference_where_there_are_any(tmp_path: Path):
    hours = Period("2016-01", "2017-01")
    archive = ingest(
        FakeSource(), period=hours, fields={"2m_temperature": ()}, grid=GridSettings(),
        raw_folder=tmp_path / "raw", path=tmp_path / "archive",
    )  # fmt: skip
    splits = Splits(
        Period("2016-01", "2016-11"), Period("2016-12", "2016-12"), Period("2017-01", "2017-01")
    )
    settings = TrainingSetSettings({"t2m": ("t2m",)}, splits)
    training_set = build_training_set(archive, settings, folder=tmp_path / "sets")
    found = measure_drift(training_set, month=Month(2017, 1), limits=LIMITS)
    assert found.reference == "January in the training split (1 year)"
    with pytest.raises(DataError, match="has no hour of 2018-01; expected the new month"):
        measure_drift(training_set, month=Month(2018, 1), limits=LIMITS)


@pytest.mark.parametrize(
    "changes", [{"mean_shift": 0}, {"quantile_shift": -1}, {"std_ratio": 1}, {"roughness_ratio": 0}]
)
def test_limits_that_allow_nothing_are_refused(changes):
    with pytest.raises(ValueError, match="expected above"):
        DriftLimits(**changes)
