"""One training set, however and from wherever it is built."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import distributed
import numpy as np
import pytest
import xarray as xr

from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState
from pipelines.cluster import Cluster, Distributed, LocalCluster, Threads
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import FIELDS, FakeSource
from tests.s3_server import BUCKET, s3_server

SETTINGS = TrainingSetSettings(
    {"u10": ("u10",), "t2m": ("t2m",), "r": ("r1000", "r850")},
    Splits(
        train=Period("2016-01-02T05", "2016-01-16"),
        validation=Period("2016-01-18", "2016-01-19"),
        test=Period("2016-01-20", "2016-01-26"),
    ),
)


def make_archive(raw: Path, path: str | Path) -> ArchiveState:
    return ingest(
        FakeSource(), period=Period("2016-01-01", "2016-01-26"), fields=FIELDS,
        grid=GridSettings(), raw_folder=raw, path=path,
    )  # fmt: skip


@pytest.fixture(scope="module")
def s3() -> Iterator[None]:
    with s3_server():
        yield


@pytest.fixture(scope="module")
def archives(s3: None, tmp_path_factory: pytest.TempPathFactory) -> dict[str, ArchiveState]:
    folder = tmp_path_factory.mktemp("archives")
    return {
        "local": make_archive(folder / "raw", folder / "archive"),
        "s3": make_archive(folder / "raw-s3", f"s3://{BUCKET}/clusters/archive"),
    }


@pytest.fixture(scope="module")
def scheduler(s3: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Dask's own commands: a scheduler and two worker processes, found by the address."""
    file = tmp_path_factory.mktemp("dask") / "scheduler.json"
    dask = [sys.executable, "-m", "dask"]
    local = ["--host", "127.0.0.1", "--scheduler-file", str(file), "--no-dashboard"]
    commands = [
        [*dask, "scheduler", "--port", "0", *local],
        [*dask, "worker", "--nworkers", "2", "--nthreads", "1", "--memory-limit", "1GiB", *local],
    ]
    processes = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        for command in commands
    ]
    try:
        deadline = time.monotonic() + 60
        while not file.exists() or not file.read_text():
            assert time.monotonic() < deadline and processes[0].poll() is None
            time.sleep(0.05)
        address = json.loads(file.read_text())["address"]
        with distributed.Client(address, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=60)
        yield address
    finally:
        for process in reversed(processes):
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=60)


@pytest.fixture(scope="module")
def reference(archives: dict[str, ArchiveState], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_training_set(
        archives["local"], SETTINGS, folder=tmp_path_factory.mktemp("reference"),
        cluster=Threads(1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "archive"), [("threads", "s3"), ("local", "local"), ("distributed", "s3")]
)
def test_the_same_training_set_comes_from_every_cluster_and_archive(
    archives: dict[str, ArchiveState], reference: Path, scheduler: str, tmp_path: Path, kind: str,
    archive: str,
):  # fmt: skip
    cluster: Cluster = {
        "threads": Threads(3, "64MiB"),
        "local": LocalCluster(2, "1GiB"),
        "distributed": Distributed(scheduler),
    }[kind]
    state = archives[archive]
    path = build_training_set(state, SETTINGS, folder=tmp_path, cluster=cluster)
    found, expected = (xr.open_zarr(p, chunks=None) for p in (path, reference))
    assert set(found.variables) == set(expected.variables)
    for name in expected.variables:
        assert found[name].dtype == expected[name].dtype
        assert found[name].attrs == expected[name].attrs
        assert found[name].encoding.get("chunks") == expected[name].encoding.get("chunks")
        np.testing.assert_array_equal(found[name].values, expected[name].values)
    own = {"archive_snapshot": state.snapshot_id, "fingerprint": path.stem}
    assert found.attrs == expected.attrs | own
    if archive == "local":
        assert path.name == reference.name
