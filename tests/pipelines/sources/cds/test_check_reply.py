"""A broken file is refused, whichever byte is wrong and whatever a library says to it."""

import errno
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.sources.cds import check_reply as module
from pipelines.sources.cds.check_reply import check_reply
from pipelines.sources.cds.request import CdsRequest
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.sources.cds.acquiring import FEBRUARY, month_request, quick_cds

OpenStore = Callable[..., ClimateDataStore]
REQUEST = CdsRequest(FEBRUARY, "surface", ("2m_temperature",), (), (1,), (0,), None, "grib")


# h5netcdf cannot close what it could not open whole.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_netcdf_file_with_wrong_bytes_anywhere_is_refused(
    open_store: OpenStore, tmp_path: Path
) -> None:
    open_store()
    cds = quick_cds(data_format="netcdf")
    cds.fetch(month_request(), tmp_path)
    kept = cds.open_month(month_request(), tmp_path)
    [part] = kept.parts
    path = kept.folder / part.file["name"]
    good, generator = path.read_bytes(), np.random.default_rng(0)
    refused = 0
    for _ in range(40):
        start = int(generator.integers(8, 8192))
        path.write_bytes(good[:start] + generator.bytes(64) + good[start + 64 :])
        try:
            check_reply(path, part.request)  # anything but a DataError fails
        except DataError:
            refused += 1
    assert refused > 10


def test_a_zip_with_wrong_bytes_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("data.nc", bytes(9000))
    content, start = path.read_bytes(), 30 + len("data.nc")  # behind the member's header
    path.write_bytes(content[:start] + b"\xff" + content[start + 1 :])
    with pytest.raises(DataError, match=r"broken zip \(.*invalid block.*; expected a whole"):
        check_reply(path, REQUEST)


def test_trouble_of_the_disk_is_not_blamed_on_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreadable(_: Path) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(module, "decode", unreadable)
    with pytest.raises(OSError, match="Input/output error") as error:
        check_reply(tmp_path / "file", REQUEST)
    assert not isinstance(error.value, DataError)
