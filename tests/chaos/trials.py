"""Trials: a stage meets a fault, and runs again without it."""

import random
import resource
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.chaos import clocks, disks
from tests.chaos.bench import PATIENCE, Bench, Result, Trial, compare
from tests.chaos.damage import DAMAGE
from tests.chaos.processes import Child, in_child
from tests.climate_data_store.faults import Fault

__all__ = [
    "clock", "damaged", "database_locked", "disk_full", "killed", "out_of_memory", "plan",
    "read_only", "server_trouble", "truncated_download", "twice",
]  # fmt: skip


def killed(bench: Bench, draw: random.Random) -> Result:
    """Kill -9 at a random moment; every third time again, in the run that follows."""
    result = Result()
    with bench.fresh(), bench.store() as store:
        for _ in range(1 if draw.random() < 2 / 3 else 2):
            child = bench.start()
            result.note(child.ending(patience=PATIENCE, kill_after=bench.moment(draw)))
        return bench.finish(result, store)


def disk_full(bench: Bench, draw: random.Random) -> Result:
    """Leave a random part of the room that the stage needs."""
    result = Result()
    free = int(draw.uniform(0.0, 1.0) * bench.reference.written)
    with bench.store() as store:
        if not disks.can_mount():
            with bench.fresh():
                limit = partial(disks.limit_file_size, max(1, free // 4))
                result.note(bench.start(limit).ending(patience=PATIENCE))
                return bench.finish(result, store)
        with bench.fresh(on_disk=True):
            disks.remount(bench.work, free=free)
            result.note(bench.start().ending(patience=PATIENCE))
            disks.remount(bench.work)
            return bench.finish(result, store)


def read_only(bench: Bench, draw: random.Random) -> Result:
    """Make the folder read-only: before the stage, or from a random moment on."""
    result = Result()
    with bench.store() as store:
        if not disks.can_mount():
            with bench.fresh():
                with disks.unwritable(bench.work):
                    result.note(bench.start().ending(patience=PATIENCE))
                return bench.finish(result, store)
        with bench.fresh(on_disk=True):
            wait = draw.choice([0.0, bench.moment(draw)])
            child = None if wait == 0.0 else bench.start()
            if child is not None:
                child.wait(wait)
            # Not while a file is open for writing.
            deadline = time.monotonic() + bench.reference.seconds
            while not disks.remount(bench.work, read_only=True) and time.monotonic() < deadline:
                time.sleep(0.002)
            result.note((child or bench.start()).ending(patience=PATIENCE))
            disks.remount(bench.work)
            return bench.finish(result, store)


def clock(bench: Bench, draw: random.Random) -> Result:
    """Let the clock jump during a run that is killed half the time; then run in another zone."""
    result = Result()
    zones = draw.sample(clocks.ZONES, 2)
    jumps = random.Random(draw.random())

    def disturb() -> None:
        clocks.set_zone(zones[0])
        clocks.keep_jumping(jumps, within=bench.reference.seconds)

    kill = draw.choice([None, bench.moment(draw)])
    with bench.fresh(), bench.store() as store:
        result.note(bench.start(disturb).ending(patience=PATIENCE, kill_after=kill))
        other = bench.start(partial(clocks.set_zone, zones[1])).ending(patience=PATIENCE)
        if other.how != "ended":
            result.message = other.message
            result.ended.append(other.how)
        return bench.finish(result, store)


def twice(bench: Bench, draw: random.Random) -> Result:
    """Run the command twice at once, the second a random moment later."""
    result = Result()
    with bench.fresh(), bench.store() as store:
        first = bench.start()
        first.wait(draw.choice([0.0, bench.moment(draw)]))
        second = bench.start()
        for child in (first, second):
            result.note(child.ending(patience=2 * PATIENCE))
        if "ended" not in result.ended:
            result.differences.append("neither of the two ended well")
        return bench.finish(result, store)


def out_of_memory(bench: Bench, draw: random.Random) -> Result:
    """Leave a random part of the memory that the stage takes (RLIMIT_AS)."""
    result = Result()
    part = draw.uniform(0.02, 0.5)

    def limit() -> None:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        now = pages * resource.getpagesize()
        size = now + int(part * max(bench.reference.peak_bytes - now, 2**20))
        resource.setrlimit(resource.RLIMIT_AS, (size, size))

    with bench.fresh(), bench.store():
        # A thread that cannot be started may leave others waiting for it: that is killed, too.
        limit_seconds = 20 * bench.reference.seconds
        result.note(bench.start(limit).ending(patience=PATIENCE, kill_after=limit_seconds))
        # A file that could not be read for want of memory is asked for again: jobs may be more.
        return bench.finish(result)


def database_locked(bench: Bench, draw: random.Random) -> Result:
    """Hold the registry's database for a time that its users wait out, or do not."""
    result = Result()
    held = draw.choice([1.0, 3.0, 15.0])
    with bench.fresh(), bench.store() as store:
        child = bench.start()
        child.wait(bench.moment(draw))
        connection = sqlite3.connect(bench.work / "mlflow.db", timeout=30, isolation_level=None)
        try:
            connection.execute("BEGIN EXCLUSIVE")
            child.wait(held)
        finally:
            connection.close()
        result.note(child.ending(patience=PATIENCE))
        return bench.finish(result, store)


def server_trouble(bench: Bench, draw: random.Random) -> Result:
    """Let the store fail: refusals, cuts, expired results, jobs that fail, slow replies."""
    result = Result()
    faults = [_server_fault(draw) for _ in range(draw.choice([1, 2, 3]))]
    with bench.fresh(), bench.store(faults) as store:
        result.note(bench.start().ending(patience=PATIENCE))
        del store  # a job that failed is submitted again
        return bench.finish(result)


def _server_fault(draw: random.Random) -> Fault:
    where, kind, details = draw.choice(
        [
            ("execution", "status", {"code": 500, "times": 2}),
            ("execution", "carried_out_then_cut", {}),
            ("execution", "cut", {"times": 2}),
            ("job", "status", {"code": 503, "times": 3}),
            ("job", "failed", {"message": "out of quota"}),
            ("job", "deleted", {}),
            ("results", "expired", {}),
            ("results", "status", {"code": 502, "times": 2}),
            ("file", "cut_once_at", {}),
            ("file", "changed", {}),
            ("file", "status", {"code": 503, "times": 2}),
            ("messages", "slow", {"seconds": 0.3}),
            ("costing", "not_json", {}),
        ]
    )
    return Fault(where, kind, after=draw.choice([0, 0, 1]), **details)


def truncated_download(bench: Bench, draw: random.Random) -> Result:
    """Let the store give a file that is cut, damaged, or lacks hours, with a right-looking size."""
    result = Result()
    kind = draw.choice(["truncated", "garbage", "short", "missing_hours", "empty", "bit_flip"])
    faults = [Fault("file", kind, after=draw.choice([0, 1]), times=draw.choice([1, 2]))]
    with bench.fresh(), bench.store(faults):
        result.note(bench.start().ending(patience=PATIENCE))
        result.message = f"{kind}: {result.message}"
        return bench.finish(result)


def damaged(bench: Bench, draw: random.Random, *, kind: str) -> Result:
    """Damage a stored file: it is refused by name, and mended as the message says."""
    damage = DAMAGE[bench.stage.name, kind]
    result = Result()
    with bench.fresh(), bench.store():
        undo = in_child(partial(damage.harm, bench.work, draw), notes=bench.notes).value
        ending = Child(partial(damage.use, bench.work), notes=bench.notes).ending(patience=PATIENCE)
        result.note(ending)
        if ending.how == "ended":
            found = bench.state()
            wrong = compare(found, bench.reference.after)
            result.differences.append(f"{undo} was damaged and silently used: {wrong[:2]}")
        elif ending.how != "refused":
            result.differences.append(f"no one line for the user: {ending.how} {ending.message}")
        mended = Child(partial(damage.mend, bench.work, undo), notes=bench.notes).ending(
            patience=PATIENCE
        )
        if mended.how != "ended":
            result.differences.append(f"cannot be mended: {mended.how} {mended.message}")
        return bench.finish(result, ignored=damage.ignored)


_EVERYWHERE: Sequence[tuple[str, Trial, int]] = (
    ("kill -9", killed, 3),
    ("disk full", disk_full, 1),
    ("read-only folder", read_only, 1),
    ("clock jumps, other zones", clock, 1),
    ("twice at once", twice, 1),
    ("out of memory", out_of_memory, 1),
)


def plan(stage: str) -> list[tuple[str, Trial]]:
    """Give the trials of a stage for one seed: the fault's name and what does it."""
    chosen: list[tuple[str, Trial]] = []
    for name, trial, count in _EVERYWHERE:
        chosen += [(name, trial)] * count
    if stage == "fetch":
        chosen += [("server errors and cuts", server_trouble)] * 2
        chosen += [("truncated or damaged file", truncated_download)] * 2
    if stage in ("registration", "forecast"):
        chosen += [("database locked", database_locked)] * (2 if stage == "registration" else 1)
    chosen += [(kind, partial(damaged, kind=kind)) for where, kind in DAMAGE if where == stage]
    return chosen
