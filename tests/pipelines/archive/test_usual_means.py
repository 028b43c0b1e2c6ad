"""A month among those of its archive: means far outside theirs, values that are theirs."""

import json
from dataclasses import dataclass
from pathlib import Path

import icechunk
import numpy as np
import pytest
import xarray as xr

from pipelines.archive.contents import ArchiveContents
from pipelines.archive.ingest import ingest
from pipelines.archive.state import existing_repository
from pipelines.archive.usual_means import find_unusual, month_means
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.fields.verify_month import HourlyContent
from pipelines.period import Period
from pipelines.sources.source import MonthRequest, RawMonth
from tests.builders import FakeSource


def record(month: str, mean: float, *, spread: float = 1.0, values: str = "", days: int = 28):
    return {
        "month": month, "first_hour": f"{month}-01T00", "last_hour": f"{month}-{days:02d}T23",
        "means": {"2m_temperature": [mean, spread]},
        "values": {"2m_temperature": values or f"{month} {mean}"},
    }  # fmt: skip


def archived(*means: float) -> dict:
    return {r["month"]: r for r in (record(f"2020-{i:02d}", m) for i, m in enumerate(means, 1))}


def found(records: dict, new: dict) -> list[str]:
    return [f"{f.setting}: {f.text}" for f in find_unusual(records, new)]


def test_means_are_of_hours():
    hours = np.array([1.0, 3.0])
    content = HourlyContent(hours, hours, hours, hours, np.zeros((2, 32), np.uint8))
    assert month_means({"temperature@850": content}) == {"temperature@850": [2.0, 1.0]}


def test_a_mean_far_outside_all_others_is_found():
    # The largest step of 3 K allows 8 x 3 K beyond 280 to 285 K.
    records = archived(280.0, 282.0, 285.0)
    assert found(records, record("2020-04", 309.0)) == []
    assert found(records, record("2020-04", 256.0)) == []
    (text,) = found(records, record("2020-04", 309.5))
    assert text == (
        "t2m:mean_jump: 2m_temperature is 309.5 K on average; expected about 280 to 285, as in 3 "
        "other months of the archive, and no more than 24 beyond"
    )


def test_hours_that_vary_and_a_hundredth_of_the_limits_are_no_jump():
    records = archived(280.0, 280.0, 280.0)
    assert found(records, record("2020-04", 284.9)) == []  # 5 times the spread of 1 K
    assert len(found(records, record("2020-04", 285.1))) == 1
    assert found(records, record("2020-04", 289.9, spread=2.0)) == []


def test_short_months_few_months_and_old_records_say_nothing():
    new = record("2020-04", 340.0)
    assert found(archived(280.0, 282.0), new) == []
    assert found(archived(280.0, 282.0, 285.0), record("2020-04", 340.0, days=9)) == []
    records = archived(280.0, 282.0, 285.0)
    del records["2020-02"]["means"]
    assert found(records, new) == []


def test_the_month_that_is_replaced_is_not_compared_with_itself():
    records = archived(280.0, 282.0, 285.0, 340.0)
    assert found(records, record("2020-04", 282.0, values="2020-04 340.0")) == []
    assert len(found(records, record("2020-04", 341.0))) == 1


def test_a_month_of_another_months_values_is_found():
    (text,) = found(archived(280.0), record("2021-01", 280.0, values="2020-01 280.0"))
    assert text.startswith("t2m:repeated_month: 2m_temperature has exactly the values of 2020-01")


@dataclass(frozen=True)
class Spoiled(FakeSource):
    """As `FakeSource`, but the wind stands still in a month from a day on."""

    month: str = ""

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        raw = super().fetch(request, raw_folder)
        if str(request.month) == self.month:
            raw.dataset["10m_u_component_of_wind"].values[24:] = 0.0
        return raw


FIELDS = {"10m_u_component_of_wind": ()}


def bring_in(folder: Path, source: FakeSource, **settings) -> None:
    ingest(
        source, period=Period("2016-01-01", "2016-01-03"), fields=FIELDS, grid=GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive", **settings,
    )  # fmt: skip


def test_a_month_that_is_implausible_is_refused_and_accepted_by_a_setting_that_is_recorded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    source = Spoiled(month="2016-01")
    with pytest.raises(
        DataError, match=r"fake, 2016-01, from 2016-01\.nc: 10m_u_component_of_wind has the same "
        r"field 48 hours in a row, .*data\.accept=\[u10:repeated_fields\]"
    ):  # fmt: skip
        bring_in(tmp_path, source)
    assert not (tmp_path / "archive").exists()
    bring_in(tmp_path, source, accept=["u10:repeated_fields"])
    repository = existing_repository(tmp_path / "archive")
    kept = ArchiveContents.read(repository).records["2016-01"]
    (text,) = kept["accepted"]
    assert text.startswith("u10:repeated_fields: 10m_u_component_of_wind has the same field 48 ho")
    assert "2016-01: accepted u10:repeated_fields" in caplog.text
    json.dumps(kept)
    commit = next(iter(repository.ancestry(branch="main")))
    assert commit.metadata["accepted"] == [text]
    with pytest.raises(ValueError, match="accept has 'u10:nothing'"):
        bring_in(tmp_path, source, accept=["u10:nothing"])


def test_a_good_month_records_its_means_and_nothing_accepted(tmp_path: Path):
    bring_in(tmp_path, FakeSource(), accept=["u10:repeated_fields"])
    kept = ArchiveContents.read(existing_repository(tmp_path / "archive")).records["2016-01"]
    assert kept["accepted"] == []
    dataset = xr.open_zarr(
        existing_repository(tmp_path / "archive").readonly_session("main").store, consolidated=False
    )
    hourly = dataset["10m_u_component_of_wind"].mean(["latitude", "longitude"]).values
    np.testing.assert_allclose(
        kept["means"]["10m_u_component_of_wind"], [hourly.mean(), hourly.std()], rtol=1e-4
    )
    assert isinstance(existing_repository(tmp_path / "archive"), icechunk.Repository)
