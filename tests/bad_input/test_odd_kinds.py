"""Files made after public bug reports: each is right, or refused by name and left as it is."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from pipelines.archive.ingest import ingest
from pipelines.archive.state import open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.formats.grib_library import eccodes
from pipelines.period import Period
from pipelines.sources.files import Files
from tests.bad_input.refusals import assert_explained, tree

ODD = Path(__file__).parents[2].parent / "shared" / "data" / "odd-inputs"
pytestmark = pytest.mark.skipif(
    not ODD.is_dir(), reason="the odd files (../shared/data/odd-inputs) are not here"
)
TP = "total_precipitation"


def bring_in(tmp_path: Path, folder: str, name: str, first: str, last: str):
    """Ingest what was asked; give the archived variable."""
    ingest(
        Files(str(ODD / folder)), period=Period(first, last), fields={name: ()},
        grid=GridSettings(), raw_folder=tmp_path / "raw", path=tmp_path / "archive",
    )  # fmt: skip
    return open_archive(tmp_path / "archive")[name]


@pytest.mark.parametrize(
    ("folder", "name", "first", "last", "text"),
    [
        ("land-precipitation-netcdf", TP, "2026-04-01", "2026-04-02",
         "land.nc: total_precipitation grows and starts anew every 24 hours"),
        ("land-precipitation-grib", TP, "2025-01-01", "2025-01-02",
         "land.grib: found total_precipitation as the sum of 24 hours at 2025-01-01T00"),
        ("ensemble-spread", "10m_u_component_of_wind", "2025-01-01", "2025-01-02",
         "es.grib: 10u with dataType es; expected an analysis or a forecast"),
        ("lost-fill-value", "sea_surface_temperature", "2025-01-01", "2025-01-02",
         "s.nc: sea_surface_temperature is 270."),
        ("inherited-name", "2m_temperature", "2026-04-01", "2026-04-02",
         "d.nc: d2m with GRIB_shortName 2t; expected 2d, as its name says"),
        ("inherited-name", "2m_dewpoint_temperature", "2026-04-01", "2026-04-02",
         "d.nc: d2m with GRIB_shortName 2t; expected 2d, as its name says"),
    ],
)  # fmt: skip
def test_wrong_numbers_are_refused(tmp_path: Path, folder, name, first, last, text):
    before = tree(ODD / folder)
    with pytest.raises(DataError) as caught:
        bring_in(tmp_path, folder, name, first, last)
    assert_explained(caught.value)
    assert text in str(caught.value)
    assert tree(ODD / folder) == before
    assert not (tmp_path / "archive").exists()


def test_a_step_of_one_hour_is_stored_when_it_is_valid(tmp_path: Path):
    stored = bring_in(tmp_path, "step-of-one-hour", TP, "2026-04-01", "2026-04-01")
    with netCDF4.Dataset(ODD / "step-of-one-hour" / "tp.nc") as file:
        start, step = file["time"], file["step"]
        assert (start.units.split()[0], step.units) == ("hours", "hours")
        moments = netCDF4.num2date(start[:] + step[0], start.units)
        of_day = [i for i, moment in enumerate(moments) if (moment.month, moment.day) == (4, 1)]
        assert len(of_day) == 24
        np.testing.assert_array_equal(stored.values, np.asarray(file["tp"][of_day])[:, 0])


def test_the_second_day_of_sums_since_midnight_is_their_difference(tmp_path: Path):
    stored = bring_in(tmp_path, "land-precipitation-grib", TP, "2025-01-02", "2025-01-02")
    sums = {}
    with (ODD / "land-precipitation-grib" / "land.grib").open("rb") as file:
        while (handle := eccodes.codes_grib_new_from_file(file)) is not None:
            day, clock = (eccodes.codes_get(handle, f"validity{k}") for k in ("Date", "Time"))
            if day >= 20250101:
                sums[(day - 20250101) * 24 + clock // 100] = (
                    eccodes.codes_get(handle, "endStep"),
                    eccodes.codes_get_values(handle).reshape(stored.shape[1:]),
                )
            eccodes.codes_release(handle)
    for hour in range(24):
        step, total = sums[24 + hour]
        expected = total if step == 1 else total - sums[23 + hour][1]
        np.testing.assert_allclose(stored[hour], expected, atol=1e-7)
