"""A global 0.25-degree month of hours, archived at 32 x 64: memory, and time beside decoding.

`GLOBAL_MONTH_HOURS` sets another length than the month's 744 hours, for a quick look.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from met2net.data.grid import Grid, equiangular
from pipelines.archive.state import open_archive
from pipelines.fields.regrid_weights import conservative
from tests.benchmarks.global_month import LATITUDE, LONGITUDE, fields_of, write_grib, write_netcdf

pytestmark = pytest.mark.bench

NUM_HOURS = int(os.environ.get("GLOBAL_MONTH_HOURS", 744))
ROUNDS = 3


def run(action: str, path: Path, folder: Path) -> dict[str, float]:
    """Decode or archive in a process of its own."""
    command = [sys.executable, "-m", "tests.benchmarks.global_month", action, path, folder]
    root = Path(__file__).parents[2]
    done = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


@pytest.mark.parametrize(("name", "write"), [("grib", write_grib), ("nc", write_netcdf)])
def test_a_month_is_archived_in_2_gib_and_1_5_times_the_decoding(
    name: str, write: Callable[..., None], tmp_path: Path, record_ratio: Callable[..., None]
) -> None:
    path = tmp_path / f"month.{name}"
    write(path, num_hours=NUM_HOURS)
    decoded, archived = [], []
    for number in range(ROUNDS):  # in turn, so that a busy moment falls on both
        decoded.append(run("decode", path, tmp_path))
        archived.append(run("archive", path, tmp_path / str(number)))
    path.unlink()
    ratio = min(r["seconds"] for r in archived) / min(r["seconds"] for r in decoded)
    peak = max(r["peak_bytes"] for r in archived) / 2**30
    record_ratio(f"global month, {name}: archiving / decoding", ratio, bound="<= 1.5")
    record_ratio(f"global month, {name}: peak memory", peak, bound="< 2", unit="GiB")
    print(
        f"\nglobal month of {NUM_HOURS} hours as {name}: decoding "
        f"{min(r['seconds'] for r in decoded):.1f} s, archiving / decoding = {ratio:.2f}, peak "
        f"{peak:.2f} GiB (decoding alone {max(r['peak_bytes'] for r in decoded) / 2**30:.2f})"
    )
    dataset = open_archive(tmp_path / "0" / "archive")
    assert dataset.sizes["time"] == NUM_HOURS
    weights = conservative(Grid(tuple(LATITUDE), tuple(LONGITUDE)), equiangular(5.625))
    for hour in (0, NUM_HOURS - 1):
        np.testing.assert_allclose(
            dataset["2m_temperature"][hour],
            weights.apply(fields_of(hour), min_valid=1.0),
            atol=2e-3,
        )  # 16 bits of packing, averaged
    assert ratio <= 1.5
    assert peak < 2.0
