"""A disk that is full or read-only ends with one line, and the next run goes on."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.errors import DataError
from pipelines.sources.cds import manifest, part_file, series_lock
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.sources.cds.acquiring import FEBRUARY, month_request, quick_cds

OpenStore = Callable[..., ClimateDataStore]


def full(*_: object, **__: object) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_disk_that_is_full_stops_all_months_in_one_line(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    cds = quick_cds(max_in_flight=1)
    requests = [month_request(FEBRUARY), month_request(FEBRUARY.following())]
    with monkeypatch.context() as patch:
        patch.setattr(part_file, "check_reply", full)
        with cds.fetching(requests, tmp_path):
            for request in requests:
                with pytest.raises(DataError, match="No space left on device; expected to read"):
                    cds.fetch(request, tmp_path)
    assert len(store.submissions) == 1
    with cds.fetching(requests, tmp_path):
        for request in requests:
            assert cds.fetch(request, tmp_path).dataset.sizes["time"] == len(request.hours)
    assert len(store.submissions) == 2  # the job that was there is used


def test_a_failure_that_cannot_be_written_down_leaves_nobody_waiting(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store(licence_accepted=False)
    monkeypatch.setattr(manifest, "write_text", full)
    with pytest.raises(DataError, match="No space left on device"):
        quick_cds().fetch(month_request(), tmp_path)


def test_a_folder_that_cannot_be_made_is_named(
    open_store: OpenStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_store()

    def forbidden(path: Path, *_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr(series_lock.Path, "mkdir", forbidden)
    with pytest.raises(DataError, match="/cds/.*: Permission denied; expected to read and write"):
        quick_cds().fetch(month_request(), tmp_path)


def test_a_manifest_that_cannot_be_read_is_named(open_store: OpenStore, tmp_path: Path) -> None:
    open_store()
    cds = quick_cds()
    folder = cds.open_month(month_request(), tmp_path).folder
    folder.mkdir(parents=True)
    (folder / "manifest.json").symlink_to(folder / "manifest.json")
    with pytest.raises(DataError, match=r"manifest.json: .*; expected to read and write there"):
        cds.fetch(month_request(), tmp_path)
