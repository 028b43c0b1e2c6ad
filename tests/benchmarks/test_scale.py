"""Bytes and time of archive and training set at two sizes, for docs/scale.md."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.training_sets.layout import chunk_hours_for
from tests.benchmarks.conftest import RecordRatio

pytestmark = pytest.mark.bench
_ROOT = Path(__file__).parents[2]
_DAYS = 36
_CHANNELS = 4


def measured(points: int, folder: Path) -> dict[str, float]:
    command = [sys.executable, "-m", "tests.benchmarks.stage_cost", str(points), str(_DAYS), folder]
    done = subprocess.run(command, cwd=_ROOT, check=True, capture_output=True, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


def predicted_bytes(points: int) -> int:
    """Fields in whole chunks, and a climatology of one day of the year: a month has no more."""
    chunk = chunk_hours_for((24 * _DAYS, _CHANNELS, points, points))
    rows = -(-24 * _DAYS // chunk) * chunk
    return 4 * _CHANNELS * points**2 * (rows + 24)


def test_bytes_and_seconds_a_value_are_those_of_another_size(
    tmp_path: Path, record_ratio: RecordRatio
) -> None:
    small, large = (measured(points, tmp_path / str(points)) for points in (32, 128))
    growth = large["values"] / small["values"]
    for points, found in ((32, small), (128, large)):
        share = found["training_set_bytes"] / predicted_bytes(points)
        record_ratio(f"training set, {points} x {points}: bytes / formula", share, bound="<= 1.02")
        assert 1 <= share <= 1.02
    archive = large["archive_bytes"] / small["archive_bytes"] / growth
    record_ratio("archive, 128 / 32: bytes a value", archive, bound="0.9 to 1.1")
    record_ratio("archive: bytes a value", large["archive_bytes"] / large["values"], bound="")
    for stage in ("archive", "training_set"):
        rate = 1e9 * large[f"{stage}_seconds"] / large["values"]
        record_ratio(f"{stage}, 128 x 128: a value", rate, bound="", unit="ns")
        grown = large[f"{stage}_seconds"] / small[f"{stage}_seconds"] / growth
        record_ratio(f"{stage}, 128 / 32: seconds a value", grown, bound="<= 1")
        assert grown <= 1
    assert 0.9 <= archive <= 1.1
