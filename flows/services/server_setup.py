"""What a Prefect server needs for this project's deployments, made where it is missing."""

from datetime import timedelta

from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectNotFound

from flows.stages.gpu_slot import GPU_LIMIT

__all__ = ["HEARTBEAT_SECONDS", "LOST_AFTER_SECONDS", "automations", "set_up_server"]

HEARTBEAT_SECONDS = 30
"""How often a run of a deployment says that it lives; Prefect's smallest."""
LOST_AFTER_SECONDS = 100
"""A run that has said nothing for so long has lost its process."""
_MOST_ATTEMPTS = 3
_FLOW_RUN = "prefect.flow-run."
_ENDS = {f"{_FLOW_RUN}{name}" for name in ("Completed", "Failed", "Cancelled", "Crashed")}


def set_up_server() -> list[str]:
    """Make the limit on GPUs and the automations; give the names of what was missing.

    What is there already, with whatever numbers a person gave it, stays as it is.
    """
    made = []
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(GPU_LIMIT)
        except ObjectNotFound:
            client.create_global_concurrency_limit(
                GlobalConcurrencyLimitCreate(name=GPU_LIMIT, limit=1)
            )
            made.append(f"limit {GPU_LIMIT!r}: 1")
        for automation in automations():
            if not client.read_automations_by_name(automation.name):
                client.create_automation(automation)
                made.append(f"automation {automation.name!r}")
    return made


def automations() -> list[AutomationCore]:
    """Describe how a run that lost its process is found, and run again.

    Runs of deployments only: Prefect does not schedule others. A run starts again under its
    own name; the flows find what is done and go on.
    """
    lost = EventTrigger(
        match=ResourceSpecification({"prefect.resource.id": [f"{_FLOW_RUN}*"]}),
        after={f"{_FLOW_RUN}heartbeat"},
        expect={f"{_FLOW_RUN}heartbeat", *_ENDS},
        for_each={"prefect.resource.id"},
        posture=Posture.Proactive,
        threshold=1,
        within=timedelta(seconds=LOST_AFTER_SECONDS),
    )
    crashed = EventTrigger(
        match=ResourceSpecification(
            {
                "prefect.resource.id": [f"{_FLOW_RUN}*"],
                "prefect.run-count": [str(n) for n in range(_MOST_ATTEMPTS)],
            }
        ),
        expect={f"{_FLOW_RUN}Crashed"},
        for_each={"prefect.resource.id"},
        posture=Posture.Reactive,
        threshold=1,
        within=timedelta(0),
    )
    return [
        AutomationCore(
            name="met2net: a run that lost its process has crashed",
            description=f"No heartbeat for {LOST_AFTER_SECONDS} s.",
            trigger=lost,
            actions=[
                ChangeFlowRunState(
                    state=StateType.CRASHED,
                    name=None,
                    message=f"No heartbeat for {LOST_AFTER_SECONDS} s.",
                    force=False,
                )
            ],
        ),
        AutomationCore(
            name="met2net: a crashed run starts again",
            description=f"Up to {_MOST_ATTEMPTS} attempts; the flow goes on where it stopped.",
            trigger=crashed,
            actions=[
                ChangeFlowRunState(
                    state=StateType.SCHEDULED,
                    name="AwaitingRetry",
                    message="Crashed; starts again and goes on where it stopped.",
                    force=False,
                )
            ],
        ),
    ]
