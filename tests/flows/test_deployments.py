"""The lock can deploy: `prefect.yaml` on a real server, one run by a real worker, every list."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import FlowFilter, FlowFilterName
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows.services.local import ServiceSettings, services
from flows.services.process import start, stop, wait_healthy
from flows.services.server_setup import set_up_server
from pipelines.archive.state import open_archive
from tests.pipelines.registry.served_model import free_port

ROOT = Path(__file__).resolve().parents[2]
DEPLOYED = [
    f"{d['entrypoint'].partition(':')[2].replace('_', '-')}/{d['name']}"
    for d in yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
]
BOX = (
    "{_target_: pipelines.fields.target_grids.Box, "
    "north: 44.0, west: 110.0, south: 43.5, east: 110.5}"
)
SECONDS = 240.0


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory):
    """Prefect's server and a worker as `make up` starts them; MLflow's is not needed."""
    folder = tmp_path_factory.mktemp("deployments")
    settings = ServiceSettings(
        folder / "workspace", prefect_port=free_port(), mlflow_port=free_port()
    )
    (settings.workspace / "prefect").mkdir(parents=True)
    environment = os.environ | {"PREFECT_HOME": str(folder / "home"), "OMP_NUM_THREADS": "1"}
    prefect, _, worker = services(settings, environment)
    try:
        wait_healthy(prefect, start(prefect, settings.folder, cwd=ROOT), settings.folder)
        with temporary_settings({PREFECT_API_URL: settings.api_url}):
            set_up_server()
            wait_healthy(worker, start(worker, settings.folder, cwd=ROOT), settings.folder)
            yield settings
    finally:
        stop("worker", settings.folder)
        stop("prefect", settings.folder)


def prefect(settings: ServiceSettings, *arguments: str) -> str:
    """Run a command of Prefect's as users do; give what it printed."""
    environment = os.environ | {
        "PREFECT_API_URL": settings.api_url, "COLUMNS": "200",
        "PREFECT_HOME": str(settings.workspace.parent / "home"),
    }  # fmt: skip
    ran = subprocess.run(
        [Path(sys.executable).with_name("prefect"), *arguments], cwd=ROOT, env=environment,
        capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout[-3000:] + ran.stderr[-3000:]
    return ran.stdout


@pytest.fixture(scope="module")
def deployed(settings: ServiceSettings) -> ServiceSettings:
    prefect(settings, "deploy", "--all")
    return settings


def test_all_deployments_of_this_checkout_are_made(deployed: ServiceSettings) -> None:
    with get_client(sync_client=True) as client:
        found = {name: client.read_deployment_by_name(name) for name in DEPLOYED}
    assert len(found) == 4
    for deployment in found.values():
        assert deployment.pull_steps == [
            {"prefect.deployments.steps.set_working_directory": {"directory": str(ROOT)}}
        ]
    assert found["monthly-retrain/monthly-retrain"].schedules[0].schedule.cron == "0 6 7 * *"


def test_a_triggered_deployment_completes(deployed: ServiceSettings) -> None:
    overrides = [
        "source=generated", "data=era5_cropped", "period=2017-01/2017-01", f"data.grid.box={BOX}",
        f"workspace={deployed.workspace}",
    ]  # fmt: skip
    prefect(deployed, "deployment", "run", "backfill/backfill",
            "--param", f"overrides={json.dumps(overrides)}")  # fmt: skip
    deadline = time.monotonic() + SECONDS
    with get_client(sync_client=True) as client:
        while True:
            (run,) = client.read_flow_runs(
                flow_filter=FlowFilter(name=FlowFilterName(any_=["backfill"]))
            )
            assert run.state is not None
            if run.state.is_final():
                break
            assert time.monotonic() < deadline, f"still {run.state.name}"
            time.sleep(1)
    log = (deployed.folder / "worker.log").read_text(encoding="utf-8")
    assert run.state.name == "Completed", log[-3000:]
    (archive,) = (p for p in (deployed.workspace / "archive").iterdir() if p.is_dir())
    assert open_archive(archive).sizes["time"] == 31 * 24


@pytest.mark.parametrize(
    ("listed", "shown"),
    [
        ("deployment", "full-experiment"),
        ("automation", "met2net: a"),
        ("gcl", "gpu"),
        *(
            pytest.param(*pair, marks=pytest.mark.long)
            for pair in [
                ("work-pool", "met2net"),
                ("flow", "forecast"),
                ("flow-run", ""),
                ("artifact", ""),
                ("block", ""),
            ]
        ),
    ],
)
def test_every_list_answers(deployed: ServiceSettings, listed: str, shown: str) -> None:
    assert shown in prefect(deployed, listed, "ls")
