"""A backfill that is killed at any moment goes on, submits nothing twice, ends with the same."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import xarray as xr

from pipelines.archive.check import check_archive
from pipelines.archive.state import open_archive
from pipelines.period import Period
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.server import ClimateDataStore

OpenStore = Callable[..., ClimateDataStore]

_PROCESS = "tests.pipelines.sources.cds.backfill_process"
_ROOT = Path(__file__).resolve().parents[4]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("last", "kills"),
    [
        pytest.param("2017-03", 2, id="short"),
        pytest.param("2018-12", 25, id="24 months, 25 kills", marks=pytest.mark.bench),
    ],
)
def test_a_killed_backfill_ends_as_an_undisturbed_one(
    open_store: OpenStore, tmp_path: Path, last: str, kills: int
) -> None:
    months = len(Period("2017-01", last).months())
    store = open_store(job_seconds=0.3)
    start(tmp_path / "calm", last).wait()
    assert len(store.submissions) == months

    # A slow reply leaves time to strike between a submission and the writing down of its job.
    disturbed = open_store(
        job_seconds=0.3, faults=[Fault("execution", "slow", times=None, seconds=0.4)]
    )
    generator = random.Random(kills)
    done = 0
    while done < kills:
        process = start(tmp_path / "killed", last)
        if not struck(process, disturbed, generator, at_submission=done % 2 == 0):
            assert process.wait() == 0, "a run that is left alone must succeed"
            break
        done += 1
    assert start(tmp_path / "killed", last).wait() == 0
    assert done >= min(kills, 2)
    print(f"{done} kills, {months} months, {len(disturbed.submissions)} submissions")

    requests = [json.dumps(request, sort_keys=True) for _, request in disturbed.submissions]
    assert len(requests) == len(set(requests)) == months
    assert files(tmp_path / "killed" / "raw") == files(tmp_path / "calm" / "raw")
    assert check_archive(tmp_path / "killed" / "archive") == []
    xr.testing.assert_identical(
        open_archive(tmp_path / "killed" / "archive").load(),
        open_archive(tmp_path / "calm" / "archive").load(),
    )


def start(folder: Path, last: str) -> subprocess.Popen[bytes]:
    folder.mkdir(exist_ok=True)
    return subprocess.Popen(
        [sys.executable, "-m", _PROCESS, str(folder), "2017-01", last], cwd=_ROOT
    )


def struck(
    process: subprocess.Popen[bytes],
    store: ClimateDataStore,
    generator: random.Random,
    *,
    at_submission: bool,
) -> bool:
    """Kill a backfill: right after a submission, or some moment after its first call."""
    calls, submissions = len(store.calls), len(store.submissions)
    while len(store.calls) == calls:  # it is still starting
        if process.poll() is not None:
            return False
        time.sleep(0.01)
    deadline = time.monotonic() + generator.uniform(0.0, 3.0)
    while process.poll() is None:
        if at_submission and len(store.submissions) > submissions:
            break
        if not at_submission and time.monotonic() > deadline:
            break
        time.sleep(0.005)
    if process.poll() is not None:
        return False
    process.kill()
    process.wait()
    return True


def files(folder: Path) -> dict[str, bytes]:
    """Give the files as received by their place; manifests tell of times and jobs."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json" and not path.name.startswith(".")
    }
