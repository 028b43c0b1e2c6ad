"""A corrected file is read again, however little of it has changed outside."""

import os
from pathlib import Path

import numpy as np

from pipelines.archive.ingest import ingest
from pipelines.archive.state import open_archive
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.sources import files_index
from pipelines.sources.files import Files
from tests.pipelines.formats.grib_files import write_day

DAY = Period("2020-01-01", "2020-01-01")


def bring_in(folder: Path, *, replace: bool) -> np.ndarray:
    """Ingest a day and give one point of it."""
    ingest(
        Files(str(folder / "data")), period=DAY, fields={"2m_temperature": ()}, grid=GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive", replace=replace,
    )  # fmt: skip
    values: np.ndarray = open_archive(folder / "archive")["2m_temperature"][:, 0, 0].values
    return values


def test_a_corrected_file_of_the_same_size_and_time_is_read_again(tmp_path: Path):
    (tmp_path / "data").mkdir()
    path = write_day(tmp_path / "data" / "1.grib")
    before = path.stat()
    first = bring_in(tmp_path, replace=False)
    write_day(path, offset=1.5)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns)
    np.testing.assert_array_equal(bring_in(tmp_path, replace=False), first)  # the archive's own
    np.testing.assert_allclose(bring_in(tmp_path, replace=True), first + 1.5, atol=1e-3)


def test_replacing_reads_again_also_where_no_time_tells(tmp_path: Path, monkeypatch):
    (tmp_path / "data").mkdir()
    path = write_day(tmp_path / "data" / "1.grib")
    write_day(tmp_path / "data" / "2.grib", day="2020-01-05")
    bring_in(tmp_path, replace=False)
    read = []
    real = files_index._index_file
    monkeypatch.setattr(
        files_index, "_index_file", lambda p, names: read.append(p.name) or real(p, names)
    )
    bring_in(tmp_path, replace=False)
    assert read == []
    bring_in(tmp_path, replace=True)
    assert read == [path.name]  # the other file has none of the hours
