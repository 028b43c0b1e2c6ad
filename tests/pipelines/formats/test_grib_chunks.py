from pathlib import Path

import numpy as np
import pytest

from pipelines.formats.chunks import hours_a_chunk
from pipelines.formats.grib import read_grib
from tests.pipelines.formats.grib_files import LATITUDE, LONGITUDE, message


@pytest.mark.parametrize(
    ("num_points", "hours"), [(4 * 5, 24), (181 * 360, 24), (721 * 1440, 8), (5000 * 5000, 1)]
)
def test_a_chunk_stays_below_32_mib(num_points: int, hours: int) -> None:
    assert hours_a_chunk(num_points) == hours


def test_levels_are_decoded_apart(tmp_path: Path) -> None:
    fields = np.arange(24.0).reshape(4, 3, 2)
    path = tmp_path / "levels.grib"
    path.write_bytes(
        b"".join(
            message(
                fields[2 * hour + i], short_name="t", time=f"2020-01-01T{hour:02d}", level=level
            )
            for hour in range(2)
            for i, level in enumerate((500, 850))
        )
    )
    temperature = read_grib(path)["t"]
    assert temperature.chunks == ((2,), (1, 1), (len(LATITUDE),), (len(LONGITUDE),))
    np.testing.assert_allclose(temperature.values.reshape(4, 3, 2), fields, atol=1e-3)
