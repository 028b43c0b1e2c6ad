"""Which failures of a task are worth another try."""

from typing import Any

from prefect import Task
from prefect.client.schemas.objects import State, TaskRun

from pipelines.errors import DataError

__all__ = ["is_worth_retrying"]


def is_worth_retrying(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Tell whether a failed task may succeed when it is run again.

    For tasks that reach over the network: what the user must mend (`DataError`) does not mend
    itself; everything else may.
    """
    return not isinstance(state.data, DataError)
