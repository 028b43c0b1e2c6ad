"""GRIB 2 messages of several fields, as centres write the components of wind."""

from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.formats.decode import decode
from pipelines.formats.grib2_fields import num_fields, single_field
from tests.pipelines.formats.grib_files import message

FIELD = np.arange(6.0).reshape(3, 2)
HOLE = np.where(FIELD == 3.0, np.nan, FIELD)


def sections(content: bytes) -> list[tuple[int, bytes]]:
    found, start = [], 16
    while content[start : start + 4] != b"7777":
        size = int.from_bytes(content[start : start + 4], "big")
        found.append((content[start + 4], content[start : start + size]))
        start += size
    return found


def together(*messages: bytes, first_section: int = 4, same_bitmap: bool = False) -> bytes:
    """Put messages into one: the header of the first, then sections of each from one on."""
    body = b"".join(section for _, section in sections(messages[0]))
    for other in messages[1:]:
        for number, section in sections(other):
            if number == 6 and same_bitmap:  # "as before in this message"
                section = (6).to_bytes(4, "big") + b"\x06\xfe"
            body += section if number >= first_section else b""
    return messages[0][:8] + (16 + len(body) + 4).to_bytes(8, "big") + body + b"7777"


def wind(name: str, base: float, field: np.ndarray = FIELD, **keys: object) -> bytes:
    return message(field + base, short_name=name, edition=2, **keys)


@pytest.mark.parametrize("first_section", [3, 4])
def test_every_field_of_a_message_is_read(tmp_path: Path, first_section: int) -> None:
    path = tmp_path / "a.grib2"
    path.write_bytes(
        together(wind("10u", 1.0), wind("10v", -20.0), first_section=first_section)
        + wind("2t", 280.0)
    )
    read = decode(path).load()
    for name, base in (
        ("10m_u_component_of_wind", 1.0), ("10m_v_component_of_wind", -20.0),
        ("2m_temperature", 280.0),
    ):  # fmt: skip
        np.testing.assert_allclose(read[name].values[0], FIELD + base, atol=1e-3)


def test_a_bitmap_serves_the_fields_after_it(tmp_path: Path) -> None:
    path = tmp_path / "a.grib2"
    path.write_bytes(together(wind("10u", 1.0, HOLE), wind("10v", 5.0, HOLE), same_bitmap=True))
    read = decode(path).load()
    np.testing.assert_allclose(read["10m_v_component_of_wind"].values[0], HOLE + 5.0, atol=1e-3)


def test_fields_are_counted_and_taken_out() -> None:
    one, both = wind("10u", 1.0), together(wind("10u", 1.0), wind("10v", 2.0))
    assert (num_fields(one), num_fields(both), num_fields(message(FIELD))) == (1, 2, 1)
    assert single_field(both, 0) == one
    assert single_field(both, 1) == wind("10v", 2.0)
    assert num_fields(both[:-40]) == 1  # cut: ecCodes says how
    with pytest.raises(IndexError, match="no field 2 among 2"):
        single_field(both, 2)


def test_rows_of_alternating_direction_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.grib2"
    path.write_bytes(wind("10u", 1.0, scanningMode=0b00010000))
    with pytest.raises(DataError, match="rows whose direction alternates"):
        decode(path)
