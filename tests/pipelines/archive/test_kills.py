"""Writers killed at random moments: the archive stands at the old or the new snapshot.

`ARCHIVE_KILLS=20` in the environment kills as many writers instead of six.
"""

import multiprocessing
import os
import random
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any, Literal

import icechunk
import pytest
import xarray as xr

from pipelines.archive.check import check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState, current_state, open_archive
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from tests.builders import FakeSource

FIELDS = {"2m_temperature": (), "10m_u_component_of_wind": ()}
NUM_KILLS = int(os.environ.get("ARCHIVE_KILLS", "6"))


@dataclass(frozen=True)
class Job:
    """What a writer is to do: one month."""

    period: Period
    seed: int

    def run(self, folder: Path) -> ArchiveState:
        return ingest(
            FakeSource(self.seed), period=self.period, fields=FIELDS, grid=GridSettings(),
            raw_folder=folder / "raw", path=folder / "archive", replace=True,
        )  # fmt: skip


BEFORE = Job(Period("2016-01-27", "2016-02-05"), seed=0)
JOBS = {
    "extend the last month": Job(Period("2016-02-06", "2016-02-20"), seed=0),
    "replace the last month": Job(Period("2016-02-01", "2016-02-05"), seed=1),
    "replace an earlier month": Job(Period("2016-01-27", "2016-01-31"), seed=1),
    "append a month": Job(Period("2016-02-01", "2016-02-15"), seed=0),
}


def start_of(name: str) -> Job:
    """Give what the archive holds before a job."""
    return Job(Period("2016-01-27", "2016-01-31"), 0) if name == "append a month" else BEFORE


def write(job: Job, folder: Path, started: Event, committing: Event) -> None:
    commit = icechunk.Session.commit

    def tell_and_commit(session: icechunk.Session, *arguments: Any, **options: Any) -> str:
        committing.set()
        return commit(session, *arguments, **options)

    icechunk.Session.commit = tell_and_commit  # type: ignore[method-assign]
    started.set()
    job.run(folder)


def run_and_kill(
    job: Job, folder: Path, *, after: float, moment: Literal["start", "commit"] = "start"
) -> tuple[bool, float]:
    """Start a writer and kill it some seconds after a moment; tells if it had ended, and when."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.pipelines.archive.test_kills"])
    events = {"start": context.Event(), "commit": context.Event()}
    process = context.Process(target=write, args=(job, folder, events["start"], events["commit"]))
    process.start()
    assert events[moment].wait(timeout=120)
    begin = time.perf_counter()
    process.join(timeout=after)
    seconds = time.perf_counter() - begin
    process.kill()
    process.join()
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0, seconds


@pytest.fixture(scope="module", params=JOBS)
def case(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, Path, xr.Dataset, float]:
    """Give a job, the archive before it, what it makes of it, and the seconds it takes."""
    job = JOBS[request.param]
    root = tmp_path_factory.mktemp("kills")
    start_of(request.param).run(root / "before")
    shutil.copytree(root / "before", root / "after")
    ended, seconds = run_and_kill(job, root / "after", after=300.0)
    assert ended
    return request.param, root / "before", open_archive(root / "after" / "archive").load(), seconds


@pytest.mark.slow
def test_killed_writer_leaves_the_old_or_the_new_state(
    case: tuple[str, Path, xr.Dataset, float],
    tmp_path: Path,
    record_property: Callable[[str, object], None],
):
    name, before, wanted, seconds = case
    job, old = JOBS[name], open_archive(before / "archive").load()
    old_state = current_state(before / "archive")
    assert old_state is not None
    mine = range(list(JOBS).index(name), NUM_KILLS, len(JOBS))
    outcomes = []
    for number in mine:
        folder = tmp_path / str(number)
        shutil.copytree(before, folder)
        draw = random.Random(number)
        if number % (2 * len(JOBS)) < len(JOBS):  # any moment, or one about the commit
            ended, _ = run_and_kill(job, folder, after=draw.uniform(0.0, seconds))
        else:
            ended, _ = run_and_kill(job, folder, after=draw.uniform(0.0, 0.05), moment="commit")
        state = current_state(folder / "archive")
        assert state is not None
        assert check_archive(folder / "archive") == []
        is_old = state.snapshot_id == old_state.snapshot_id
        xr.testing.assert_identical(state.open().load(), old if is_old else wanted)
        outcomes.append(("ended" if ended else "killed", "old" if is_old else "new"))
        job.run(folder)
        assert check_archive(folder / "archive") == []
        xr.testing.assert_identical(open_archive(folder / "archive").load(), wanted)
    record_property(name, outcomes)
    print(f"\n{name} ({seconds:.2f} s): {outcomes}")
