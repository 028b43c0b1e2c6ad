"""Names of files: letters beyond ASCII are read, what is no text is refused by name."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.sources.files import Files
from pipelines.sources.source import MonthRequest
from tests.pipelines.formats.grib_files import write_day

HOURS = np.datetime64("2020-01-01T00") + np.arange(24)
REQUEST = MonthRequest(Month(2020, 1), HOURS, {"2m_temperature": ()})


def data(tmp_path: Path, *parts: bytes) -> Path:
    """Write a day under a name given in bytes, below a folder; gives that folder."""
    folder = tmp_path / "data"
    folder.mkdir(exist_ok=True)
    place = os.path.join(os.fsencode(folder), *parts)
    os.makedirs(os.path.dirname(place), exist_ok=True)
    shutil.copy(os.fsencode(write_day(tmp_path / "day.grib")), place)
    return folder


def fetch(folder: Path, **settings: str):
    return Files(str(folder), **settings).fetch(REQUEST, folder.parent / "raw")


@pytest.mark.parametrize("name", ["Météo 1.grib", "天気.grib", "a=b,c[1]#~.grib"])
def test_letters_beyond_ascii_are_read(tmp_path: Path, name: str) -> None:
    month = fetch(data(tmp_path, name.encode()))
    assert [file["name"] for file in month.manifest["files"]] == [name]
    assert float(month.dataset["2m_temperature"][5, 0, 0]) == pytest.approx(285.0, abs=1e-3)


@pytest.mark.parametrize(("name", "shown"), [(b"caf\xe9.grib", r"caf\udce9"), (b"a\nb", r"a\nb")])
def test_a_name_that_is_no_text_is_refused_in_one_line(
    tmp_path: Path, name: bytes, shown: str
) -> None:
    with pytest.raises(DataError, match="name that is not UTF-8 text; expected one") as caught:
        fetch(data(tmp_path, name))
    assert shown in str(caught.value)
    str(caught.value).encode()  # can be printed and logged
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "raw").exists()


def test_a_folder_whose_name_is_no_text_is_refused(tmp_path: Path) -> None:
    folder = data(tmp_path, b"d\xe9", b"a.grib")
    with pytest.raises(DataError, match="that is not UTF-8"):
        fetch(folder / os.fsdecode(b"d\xe9"))


def test_a_note_with_any_name_is_left_out(tmp_path: Path) -> None:
    folder = data(tmp_path, b"a.grib")
    Path(os.fsdecode(os.path.join(os.fsencode(folder), b"caf\xe9.txt"))).write_text("a note")
    assert fetch(folder).dataset.sizes["time"] == 24


def test_files_in_sub_folders_are_pointed_to_and_read_by_a_pattern(tmp_path: Path) -> None:
    folder = data(tmp_path, b"2020", b"01", b"a.grib")
    with pytest.raises(DataError, match=r"1 files lie in sub-folders, as 2020/01/a\.grib: source"):
        fetch(folder)
    assert fetch(folder, pattern="**/*").dataset.sizes["time"] == 24
    with pytest.raises(DataError, match=r"matches '\*\*/\*\.nc'; expected some$"):
        fetch(folder, pattern="**/*.nc")
    write_day(folder / "b.grib", day="2021-01-01")
    with pytest.raises(DataError, match="expected hours of 2020-01.* lie in sub-folders"):
        fetch(folder)
