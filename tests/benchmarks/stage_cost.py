"""What archiving and a training set cost at one size of grid, alone in a process; prints JSON.

`python -m tests.benchmarks.stage_cost POINTS DAYS FOLDER`: made-up hourly weather of four variables
on POINTS x POINTS points, 0.25 degrees apart. Making it up is not counted.
"""

import json
import sys
import time
from pathlib import Path

import numpy as np

from pipelines.archive.ingest import ingest
from pipelines.archive.state import current_state
from pipelines.cluster import Threads
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.period import Period
from pipelines.sources.files import Files
from pipelines.sources.generated import Generated
from pipelines.sources.source import MonthRequest
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits

__all__ = ["main"]

FIELDS = {
    "mean_sea_level_pressure": (), "10m_u_component_of_wind": (),
    "10m_v_component_of_wind": (), "2m_temperature": (),
}  # fmt: skip
CHANNELS = {"msl": ("msl",), "u10": ("u10",), "v10": ("v10",), "t2m": ("t2m",)}
_FIRST = np.datetime64("2001-01-01", "D")
_STEP = 0.25  # [degrees]


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def main(points: int, days: int, folder: Path) -> dict[str, float]:
    """Archive files of made-up weather, and build a training set of two thirds of it."""
    width = _STEP * (points - 1)
    grid = GridSettings(box=Box(44.0, 110.0, 44.0 - width, 110.0 + width), resolution="0.25")
    period = Period(str(_FIRST), str(_FIRST + days - 1))
    (folder / "files").mkdir(parents=True)
    for month in period.months():
        hours = period.hours_in(month)
        made = Generated(grid=grid).fetch(MonthRequest(month, hours, FIELDS), folder / "made")
        made.dataset.to_netcdf(folder / "files" / f"{month}.nc")
    start = time.perf_counter()
    ingest(
        Files(str(folder / "files")), period=period, fields=FIELDS, grid=grid,
        raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip
    archived = time.perf_counter()
    state = current_state(folder / "archive")
    assert state is not None
    third = days // 6
    splits = Splits(
        Period(str(_FIRST), str(_FIRST + days - 1 - 2 * third)),
        Period(str(_FIRST + days - 2 * third), str(_FIRST + days - 1 - third)),
        Period(str(_FIRST + days - third), str(_FIRST + days - 1)),
    )
    began = time.perf_counter()
    path = build_training_set(
        state, TrainingSetSettings(CHANNELS, splits), folder=folder / "sets", cluster=Threads(1)
    )
    return {
        "values": 24 * days * points**2 * len(FIELDS),
        "archive_seconds": archived - start,
        "archive_bytes": _bytes(folder / "archive"),
        "training_set_seconds": time.perf_counter() - began,
        "training_set_bytes": _bytes(path),
    }


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
