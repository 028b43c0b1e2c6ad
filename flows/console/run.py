"""Run a flow for a person at a terminal: settings checked first, mistakes in one line."""

import contextvars
import errno
import logging
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_LOCAL_STORAGE_PATH,
    PREFECT_MEMO_STORE_PATH,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS,
    temporary_settings,
)

from flows.console.stage_logs import show_stage_logs
from flows.settings.compose import CONFIGS, compose
from pipelines.errors import DataError, TrainingError

__all__ = ["USER_MISTAKE", "run_from_console", "run_loaded_meanwhile"]

Run = Flow[..., Any]

USER_MISTAKE = 2
_FAILED = 1
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_SERVER_START_SECONDS = 180  # Prefect's 20 are too few on a busy machine


def run_from_console(flow: Run, overrides: Sequence[str]) -> None:
    """Run a flow with Hydra overrides; end the program with status 2 on a user's mistake.

    A full or read-only disk, and a training that its loss has stopped, end it with status 1.

    Without a Prefect server of the user's own, Prefect's embedded one keeps its database in
    the workspace, beside everything else that a run writes.
    """
    run_loaded_meanwhile(lambda: flow, overrides, config=flow.fn.__name__)


def run_loaded_meanwhile(load: Callable[[], Run], overrides: Sequence[str], *, config: str) -> None:
    """Run a flow as `run_from_console` does; load it while Prefect's embedded server starts.

    Both take seconds, each in a process of its own.

    Args:
        load: imports the flow.
        overrides: of its settings.
        config: name of its settings under `configs/`, where it has some.
    """
    show_stage_logs()
    _explain_mistakes_without_traceback()
    try:
        workspace = None
        if (CONFIGS / f"{config}.yaml").is_file():
            workspace = Path(compose(overrides, config=config).workspace)
        with temporary_settings(_embedded_server(workspace)):
            _loaded_beside_server(load)(list(overrides))
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(USER_MISTAKE) from None
    except TrainingError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(_FAILED) from None
    except OSError as error:
        if not _says_all(error):
            raise
        print(
            f"error: {error}; expected room to write: what was finished is kept, and the same "
            "command goes on from there",
            file=sys.stderr,
        )
        raise SystemExit(_FAILED) from None


def _says_all(error: BaseException) -> bool:
    """Tell whether the message of an error explains it to whoever ran the command."""
    if isinstance(error, OSError):
        return error.errno in _NO_ROOM
    return isinstance(error, DataError | TrainingError)


def _loaded_beside_server(load: Callable[[], Run]) -> Run:
    """Load a flow; meanwhile start the server that Prefect would start when the flow runs."""
    if PREFECT_API_URL.value() or not PREFECT_SERVER_ALLOW_EPHEMERAL_MODE.value():
        return load()
    # Imported here: it takes seconds, and who has a server does not need it. Not in the thread,
    # where it could meet half-imported modules.
    from prefect.server.api.server import SubprocessASGIServer

    with ThreadPoolExecutor(max_workers=1) as pool:
        starting = pool.submit(contextvars.copy_context().run, SubprocessASGIServer().start)
        flow = load()
        starting.result()
    return flow


def _embedded_server(workspace: Path | None) -> dict[Any, Any]:
    """Give the settings of Prefect's embedded server; none where the user has a server.

    The flow of somebody else has no workspace: Prefect's own folder serves.
    """
    if PREFECT_API_URL.value():
        return {}
    patience = {PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS: _SERVER_START_SECONDS}
    if workspace is None:
        return patience
    folder = workspace.resolve() / "prefect"
    folder.mkdir(parents=True, exist_ok=True)
    return {
        PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
        PREFECT_LOCAL_STORAGE_PATH: folder / "storage",
        **patience,
        PREFECT_MEMO_STORE_PATH: folder / "memo_store.toml",
    }


class _WithoutTraceback(logging.Filter):
    """Keeps Prefect's record of a user's mistake and drops its traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Cut the traceback of errors whose message says all."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and _says_all(error):
            record.exc_info = None
        return True


def _explain_mistakes_without_traceback() -> None:
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_WithoutTraceback())
