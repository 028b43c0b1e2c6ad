"""The real services: a schedule that fires, runs that wait, a run that outlives its worker.

Takes minutes, for Prefect's own intervals: heartbeats come every 30 s.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.client.schemas.objects import FlowRun, WorkPool
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.services.local import ServiceSettings, down, up
from flows.services.process import running
from tests.pipelines.registry.served_model import free_port

pytestmark = pytest.mark.bench

ROOT = Path(__file__).resolve().parents[2]
FLOW = """
import time
from pathlib import Path
from prefect import flow

@flow
def steady(folder: str, seconds: int) -> None:
    with open(f"{folder}/starts", "a") as file:
        file.write("started\\n")
    time.sleep(seconds)
    with open(f"{folder}/ends", "a") as file:
        file.write("ended\\n")
"""
DEPLOYMENTS = """
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: FOLDER
deployments:
  - name: steady
    entrypoint: steady.py:steady
    parameters: {folder: FOLDER, seconds: 60}
    schedules: []
    work_pool: {name: met2net}
"""


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory):
    settings = ServiceSettings(
        tmp_path_factory.mktemp("services") / "workspace",
        prefect_port=free_port(), mlflow_port=free_port(),
    )  # fmt: skip
    try:
        up(settings)
        with temporary_settings({PREFECT_API_URL: settings.api_url}):
            yield settings
    finally:
        down(settings)


def deploy(settings: ServiceSettings, folder: Path, *more: str) -> None:
    environment = os.environ | {"PREFECT_API_URL": settings.api_url}
    ran = subprocess.run(
        [sys.executable, "-m", "prefect", "deploy", *more], cwd=folder, env=environment,
        capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]


def wait_until(claim: Callable[[], bool], *, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not claim():
        assert time.monotonic() < deadline, "took too long"
        time.sleep(2)


def runs_of(client: SyncPrefectClient, name: str) -> list[FlowRun]:
    found = client.read_flow_runs(flow_filter=FlowFilter(name=FlowFilterName(any_=[name])))
    return sorted(found, key=lambda run: run.expected_start_time)


def test_all_deployments_are_made_and_a_second_month_waits_for_the_first(
    settings: ServiceSettings, tmp_path: Path
) -> None:
    deploy(settings, ROOT, "--all")
    # The real deployment with a short schedule; a moment at which there is nothing to do.
    written = (ROOT / "prefect.yaml").read_text(encoding="utf-8")
    assert 'cron: "0 6 7 * *"' in written
    short = written.replace('cron: "0 6 7 * *"', "interval: 10").replace("timezone: UTC", "")
    short = short.replace(
        '["experiment=mumbai_monthly"]',
        f'["experiment=mumbai_monthly", "now=2010-01-01", "workspace={tmp_path}"]',
    )
    (tmp_path / "short.yaml").write_text(short, encoding="utf-8")
    deploy(settings, ROOT, "-n", "monthly-retrain", "--prefect-file", str(tmp_path / "short.yaml"))
    at_once, states = 0, set()
    with get_client(sync_client=True) as client:

        def two_have_completed() -> bool:
            nonlocal at_once
            runs = runs_of(client, "monthly-retrain")
            names = [run.state_name for run in runs]
            at_once = max(at_once, sum(n in ("Running", "Pending") for n in names))
            states.update(names)
            return names.count("Completed") >= 2

        wait_until(two_have_completed, seconds=420)
        runs = runs_of(client, "monthly-retrain")
    assert "AwaitingConcurrencySlot" in states
    assert not states & {"Failed", "Crashed"}
    done = [run for run in runs if run.state_name == "Completed"]
    spans = sorted((run.start_time, run.end_time) for run in done)
    assert all(run.auto_scheduled for run in done)
    assert all(first[1] <= second[0] for first, second in zip(spans, spans[1:], strict=False))
    deploy(settings, ROOT, "-n", "monthly-retrain")  # the monthly schedule again


def test_a_run_whose_worker_was_killed_with_it_starts_again(
    settings: ServiceSettings, tmp_path: Path
) -> None:
    (tmp_path / "steady.py").write_text(FLOW)
    (tmp_path / "prefect.yaml").write_text(DEPLOYMENTS.replace("FOLDER", str(tmp_path)))
    deploy(settings, tmp_path, "--all")
    with get_client(sync_client=True) as client:
        deployment = client.read_deployment_by_name("steady/steady")
        run = client.create_flow_run_from_deployment(deployment.id)
        wait_until((tmp_path / "starts").is_file, seconds=240)
        time.sleep(35)  # a first heartbeat
        worker = running("worker", settings.folder)
        assert worker is not None
        killed = [worker.process, *worker.process.children(recursive=True)]
        for process in killed:
            process.kill()
        psutil.wait_procs(killed, timeout=20)
        assert not (tmp_path / "ends").exists()
        lines = up(settings)
        assert "worker is up: pool met2net" in lines
        assert sum("runs already" in line for line in lines) == 2

        def has_completed() -> bool:
            return client.read_flow_run(run.id).state_name == "Completed"

        wait_until(has_completed, seconds=420)
        assert client.read_flow_run(run.id).run_count == 2
    assert (tmp_path / "starts").read_text().splitlines() == ["started", "started"]
    assert (tmp_path / "ends").read_text().splitlines() == ["ended"]


def test_the_pool_is_a_process_pool(settings: ServiceSettings) -> None:
    with get_client(sync_client=True) as client:
        pool: WorkPool = client.read_work_pool("met2net")
        assert pool.type == "process"
        assert client.read_global_concurrency_limit_by_name("gpu").limit == 1
