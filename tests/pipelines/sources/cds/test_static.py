"""Static fields of the Climate Data Store: one request of one hour, by the machinery of months."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.sources.cds.manifest import read_manifest
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.fields import field
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.sources.cds.acquiring import quick_cds

OpenStore = Callable[..., ClimateDataStore]
BOTH = ("orography", "land_sea_mask")
HOUR = np.datetime64("2000-01-01T00", "h")


@pytest.mark.parametrize("data_format", ["grib", "netcdf"])
def test_one_request_of_one_hour_brings_them(
    open_store: OpenStore, tmp_path: Path, data_format: str
) -> None:
    store = open_store()
    cds = quick_cds(data_format=data_format)
    found = cds.fetch_static(BOTH, tmp_path)
    [job] = store.jobs.values()
    assert job.dataset == "reanalysis-era5-single-levels"
    assert job.request == {
        "product_type": ["reanalysis"], "variable": ["geopotential", "land_sea_mask"],
        "year": ["2000"], "month": ["01"], "day": ["01"], "time": ["00:00"],
        "data_format": data_format, "download_format": "unarchived",
        "area": [44.0, 110.0, 43.5, 110.5],
    }  # fmt: skip
    for name, known_as, factor in (("orography", "geopotential", 1 / 9.80665),
                                   ("land_sea_mask", "land_sea_mask", 1.0)):  # fmt: skip
        array = found[name].field
        axes = array["latitude"].values, array["longitude"].values
        assert axes[0].tolist() == [44.0, 43.75, 43.5]
        expected = field(known_as, None, HOUR, *axes) * factor
        np.testing.assert_allclose(array.values, expected, rtol=1e-4)
    [file] = found["orography"].manifest["files"]
    assert file["name"].startswith("static_geopotential_") and len(file["sha256"]) == 64
    assert file["job"] == job.job_id
    cds.fetch_static(BOTH, tmp_path)
    assert len(store.submissions) == 1


def test_what_stopped_goes_on_with_its_job(open_store: OpenStore, tmp_path: Path) -> None:
    store = open_store(faults=[Fault("job", "failed", times=None, month="2000-01", message="no")])
    with pytest.raises(DataError, match="did not bring"):
        quick_cds().fetch_static(["land_sea_mask"], tmp_path)
    store.faults.clear()
    found = quick_cds().fetch_static(["land_sea_mask"], tmp_path)
    assert list(found) == ["land_sea_mask"]


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault("file", "missing_variable", times=None), "expected also land_sea_mask, of"),
        (Fault("file", "wrong_grid", times=None), "orography is on .*; expected 3 x 3"),
        (Fault("file", "nan", times=None), "orography has no value at 1 of 9 points"),
    ],
)
def test_a_reply_that_is_not_what_was_asked_for_is_refused(
    open_store: OpenStore, tmp_path: Path, fault: Fault, message: str
) -> None:
    open_store(faults=[fault])
    with pytest.raises(DataError, match=message):
        quick_cds().fetch_static(BOTH, tmp_path)
    [folder] = (tmp_path / "cds").glob("static_*")
    assert [part.state for part in read_manifest(folder).parts] != ["received"]


def test_changed_files_are_not_read(open_store: OpenStore, tmp_path: Path) -> None:
    open_store()
    quick_cds().fetch_static(BOTH, tmp_path)
    [path] = (tmp_path / "cds").glob("static_*/*.grib")
    path.write_bytes(path.read_bytes()[:-1] + b"8")
    with pytest.raises(DataError, match="found other bytes; expected the .* that were received"):
        quick_cds().fetch_static(BOTH, tmp_path)
