from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.formats.decode import decode
from pipelines.formats.grib_library import eccodes
from pipelines.formats.grib_messages import open_message, read_messages
from tests.pipelines.formats.grib_files import message

FIELD = 280.0 + np.arange(6.0).reshape(3, 2)


def write(path: Path, *messages: bytes) -> Path:
    path.write_bytes(b"".join(messages))
    return path


def test_every_message_is_listed_with_its_own_time_level_and_place(tmp_path: Path):
    contents = [
        message(FIELD, time="1999-12-31T23"),
        message(FIELD / 10, short_name="r", level=850, time="2000-01-01T00"),
        message(FIELD, time="2000-01-01T00", expver="0005"),
        message(FIELD / 10, short_name="r", level=1000, time="2000-01-01T00"),
        message(FIELD, short_name="skt", time="2000-01-01T00"),  # not in the table
        message(FIELD, time="2026-02-28T12"),
    ]
    listed = read_messages(write(tmp_path / "a", *contents))
    assert [(m.field.short_name, m.field.level, str(m.time), m.field.expver) for m in listed] == [
        ("2t", 0, "1999-12-31T23:00", "0001"),
        ("r", 850, "2000-01-01T00:00", "0001"),
        ("2t", 0, "2000-01-01T00:00", "0005"),
        ("r", 1000, "2000-01-01T00:00", "0001"),
        ("2t", 0, "2026-02-28T12:00", "0001"),
    ]
    whole = b"".join(contents)
    places = [whole[m.offset : m.offset + m.size] for m in listed]
    assert places == contents[:4] + contents[5:]
    assert listed[0].field is listed[4].field  # its keys were read once
    assert listed[0].field.units == "K"


@pytest.mark.parametrize("step", [1, 5])
def test_forecasts_count_at_the_hour_they_are_valid_for(tmp_path: Path, step: int):
    path = write(
        tmp_path / "a",
        *(message(FIELD, time=f"2016-02-{day}T21", P1=step) for day in (27, 28, 29)),
    )
    expected = np.array(["2016-02-27T21", "2016-02-28T21", "2016-02-29T21"], "M8[m]") + 60 * step
    assert [m.time for m in read_messages(path)] == expected.tolist()


def test_edition_2_gives_the_same_fields_as_edition_1(tmp_path: Path):
    times = ("2016-02-29T23", "2016-03-01T00")
    first, second = (
        decode(write(tmp_path / str(edition), *(message(FIELD, time=t, edition=edition)
                                                for t in times))).load()
        for edition in (1, 2)
    )  # fmt: skip
    assert second.identical(first)


def test_unreadable_message_and_impossible_date_are_refused(tmp_path: Path):
    with (
        pytest.raises(DataError, match=r"a\.grib: found a GRIB message that cannot .*; expected"),
        open_message(b"nonsense", Path("a.grib")) as handle,
    ):
        eccodes.codes_get_values(handle)
    month = 8 + 13  # octet 14 of the product section
    later = bytearray(message(FIELD, time="2016-01-02T00"))
    later[month] = 13
    with pytest.raises(DataError, match="2016-13-02T00:00; expected a date"):
        read_messages(write(tmp_path / "a", message(FIELD), bytes(later)))
