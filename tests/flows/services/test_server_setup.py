from pathlib import Path

import pytest
import yaml
from prefect.client.schemas.objects import State, StateType

from flows.console.run_command import find_flow
from flows.services.server_setup import HEARTBEAT_SECONDS, LOST_AFTER_SECONDS, automations
from flows.stages.gpu_slot import GPU_LIMIT, gpu_slot
from flows.stages.retrying import is_worth_retrying
from pipelines.errors import DataError

ROOT = Path(__file__).resolve().parents[3]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]


def test_a_run_is_lost_only_after_several_missed_heartbeats() -> None:
    assert LOST_AFTER_SECONDS > 3 * HEARTBEAT_SECONDS
    lost, crashed = automations()
    assert "prefect.flow-run.heartbeat" in lost.trigger.after
    assert lost.actions[0].state is StateType.CRASHED
    assert (crashed.actions[0].state, crashed.actions[0].name) == (
        StateType.SCHEDULED, "AwaitingRetry",
    )  # fmt: skip


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_every_deployment_is_a_flow_of_this_checkout(deployment: dict) -> None:
    file, _, function = deployment["entrypoint"].partition(":")
    found = find_flow(ROOT / file)
    assert (found.fn.__name__, found.name) == (function, deployment["name"])
    assert set(deployment["parameters"]) == set(found.parameters.properties)
    assert deployment["enforce_parameter_schema"]
    assert deployment["schedules"] is not None  # absent, `prefect deploy` would ask


def test_the_months_follow_one_another() -> None:
    monthly = next(d for d in DEPLOYMENTS if d["name"] == "monthly-retrain")
    assert monthly["concurrency_limit"] == {
        "limit": 1, "collision_strategy": "ENQUEUE", "grace_period_seconds": 600,
    }  # fmt: skip
    assert monthly["schedules"][0]["cron"] == "0 6 7 * *"


def test_a_user_s_mistake_is_not_tried_again() -> None:
    def failed(error: Exception) -> State:
        return State(type=StateType.FAILED, data=error)

    assert is_worth_retrying(None, None, failed(OSError("connection reset")))
    assert not is_worth_retrying(None, None, failed(DataError("no such hour")))


def test_a_cpu_needs_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    held = []

    class Slot:
        def __init__(self, name: str, occupy: int) -> None:
            held.append((name, occupy))

        def __enter__(self) -> None: ...
        def __exit__(self, *_: object) -> None: ...

    monkeypatch.setattr("flows.stages.gpu_slot.concurrency", Slot)
    with gpu_slot("cpu"):
        assert held == []
    with gpu_slot("cuda"):
        assert held == [(GPU_LIMIT, 1)]
