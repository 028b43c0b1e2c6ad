"""A stage of a flow: a Prefect task that is named as it is called, never cached, and timed."""

import functools
import logging
import time
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from prefect import Task, task
from prefect.cache_policies import NO_CACHE

__all__ = ["stage"]

P = ParamSpec("P")
R = TypeVar("R")

_log = logging.getLogger("flows.stages.stage")


def stage(name: str, **options: Any) -> Callable[[Callable[P, R]], Task[P, R]]:
    """Give a decorator that makes a function a stage.

    Prefect's result cache is off: what is done already, a stage sees by fingerprints. How long
    its own work took, without Prefect's, stands in the log.

    Args:
        name: of the task and of its runs, in log and page.
        options: further ones of `prefect.task`.
    """

    def decorate(function: Callable[P, R]) -> Task[P, R]:
        as_task: Callable[[Callable[P, R]], Task[P, R]] = task(
            name=name, task_run_name=name, cache_policy=NO_CACHE, **options
        )
        return as_task(_timed(function, name))

    return decorate


def _timed(function: Callable[P, R], name: str) -> Callable[P, R]:
    @functools.wraps(function)
    def timed(*args: P.args, **kwargs: P.kwargs) -> R:
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            _log.info("%s: %.2f s", name, time.perf_counter() - start)

    return timed
