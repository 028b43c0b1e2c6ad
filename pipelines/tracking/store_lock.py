"""One process at a time changes MLflow's SQLite store, so that what is made once is made once."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from filelock import FileLock

__all__ = ["one_at_a_time"]

_SQLITE = "sqlite:///"

P = ParamSpec("P")
R = TypeVar("R")


def one_at_a_time(function: Callable[P, R]) -> Callable[P, R]:
    """Let a function wait until no other process of this project changes the same store.

    A run or a version is looked for and then made: two processes at once would both find
    none. With a server instead of a database file nobody waits; runs of the same flow are
    kept apart by the deployments' concurrency limits there.

    Args:
        function: has a keyword argument `tracking_uri`; does not call another one like it.
    """

    @wraps(function)
    def waiting(*args: P.args, **kwargs: P.kwargs) -> R:
        uri = str(kwargs["tracking_uri"])
        if not uri.startswith(_SQLITE):
            return function(*args, **kwargs)
        with FileLock(f"{uri.removeprefix(_SQLITE)}.lock"):
            return function(*args, **kwargs)

    return waiting
