"""Builds that are killed at any moment."""

import os
import pickle
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from met2net.data.training_set import TrainingSet
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import FIELDS, FakeSource

NUM_KILLS = int(os.environ.get("NUM_KILLS", "2"))
SETTINGS = TrainingSetSettings(
    {"u10": ("u10",), "t2m": ("t2m",), "r": ("r1000", "r850")},
    Splits(
        Period("2016-01-01", "2016-02-20"),
        Period("2016-02-21", "2016-02-24"),
        Period("2016-02-25", "2016-02-29"),
    ),
)
_BUILD = """
import pickle, sys
from pathlib import Path
from pipelines.cluster import Threads
from pipelines.training_sets.prepare import build_training_set
archive, settings, folder = pickle.loads(Path(sys.argv[1]).read_bytes())
print("ready", flush=True)
build_training_set(archive, settings, folder=folder, cluster=Threads(2))
print("done", flush=True)
"""


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ArchiveState:
    folder = tmp_path_factory.mktemp("archive")
    return ingest(
        FakeSource(), period=Period("2016-01-01", "2016-02-29"), fields=FIELDS,
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


def contents(store: Path) -> dict[str, bytes]:
    return {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*") if p.is_file()}


@pytest.mark.slow
def test_a_killed_build_leaves_no_half_set_and_a_repeat_finishes(
    archive: ArchiveState, tmp_path: Path
):
    start = time.monotonic()
    reference = build_training_set(archive, SETTINGS, folder=tmp_path / "reference")
    usual = time.monotonic() - start
    job = tmp_path / "job.pickle"
    rng = random.Random(0)
    num_inside = 0
    for number in range(NUM_KILLS):
        folder = tmp_path / str(number)
        job.write_bytes(pickle.dumps((archive, SETTINGS, folder)))
        with subprocess.Popen(
            [sys.executable, "-c", _BUILD, str(job)], stdout=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
            time.sleep(rng.uniform(0.05, 1.2) * usual)
            process.send_signal(signal.SIGKILL)
            finished = process.stdout.read() == "done\n"
        num_inside += not finished
        for store in folder.glob("*.zarr"):
            TrainingSet.open(store)
            assert contents(store) == contents(reference)
        assert finished <= bool(list(folder.glob("*.zarr")))
        again = build_training_set(archive, SETTINGS, folder=folder)
        assert contents(again) == contents(reference)
        assert not list(folder.glob(".*.partial"))
    assert num_inside > 0  # some kill was in time
