"""Run a flow for a person at a terminal: settings checked first, mistakes in one line."""

import atexit
import contextvars
import errno
import logging
import os
import sys
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_HOME,
    PREFECT_LOCAL_STORAGE_PATH,
    PREFECT_MEMO_STORE_PATH,
    PREFECT_SERVER_ALLOW_EPHEMERAL_MODE,
    PREFECT_SERVER_DATABASE_CONNECTION_URL,
    temporary_settings,
)

from flows.console.checkout import run_the_code_beside
from flows.console.embedded_server import EmbeddedServerError, start_server
from flows.console.interruption import Interruption
from flows.console.loopback import reach_loopback_directly, require_usable_proxies
from flows.console.prefect_server import require_prefect
from flows.console.reachable import require_server
from flows.console.safe_output import make_output_safe
from flows.console.stage_logs import show_stage_logs
from flows.console.workspace_folder import workspace_folder
from flows.settings.check_before_run import check_before_run
from flows.settings.compose import CONFIGS, compose
from flows.settings.config_error import ConfigError
from pipelines.errors import DataError, TrainingError

if TYPE_CHECKING:  # takes a while, which a mistake need not wait for
    from prefect import Flow

__all__ = ["USER_MISTAKE", "run_from_console", "run_loaded_meanwhile"]

Run: TypeAlias = "Flow[..., Any]"

USER_MISTAKE = 2
_FAILED = 1
_HOOKS = tuple(f"{what} '{name}'" for what in ("Running hook", "Hook") for name in ("begin", "end"))
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)
_SERVER_START_SECONDS = 180  # Prefect's 20 are too few on a busy machine


def run_from_console(flow: Run, overrides: Sequence[str]) -> None:
    """Run a flow with Hydra overrides; end the program with status 2 on a user's mistake.

    A full or read-only disk, and a training that its loss has stopped, end it with status 1.

    Without a Prefect server of the user's own, Prefect's embedded one keeps its database in
    the workspace, beside everything else that a run writes.
    """
    run_the_code_beside(Path(sys.argv[0]), sys.argv)
    run_loaded_meanwhile(lambda: flow, overrides, config=flow.fn.__name__)


def run_loaded_meanwhile(load: Callable[[], Run], overrides: Sequence[str], *, config: str) -> None:
    """Run a flow as `run_from_console` does; load it while Prefect's embedded server starts.

    Both take seconds, each in a process of its own.

    Args:
        load: imports the flow.
        overrides: of its settings.
        config: name of its settings under `configs/`, where it has some.
    """
    make_output_safe()
    interruption = Interruption()
    interruption.watch()
    reach_loopback_directly(os.environ)
    show_stage_logs()
    _explain_mistakes_without_traceback()
    logging.getLogger("prefect.engine").addFilter(_is_no_hook)
    try:
        workspace = None
        if (CONFIGS / f"{config}.yaml").is_file():
            require_usable_proxies(urllib.request.getproxies())
            composed = compose(overrides, config=config)
            workspace = workspace_folder(composed.workspace)
            _require_servers(composed)
            is_study = composed.get("study") is not None
            check_before_run(overrides, config=config, is_study=is_study)
        with temporary_settings(_embedded_server(workspace)):
            flow = _loaded_beside_server(load)
            from prefect import Flow  # loaded by now

            if isinstance(flow, Flow):
                flow.on_running_hooks.append(interruption.begin)
                ends = (flow.on_completion_hooks, flow.on_failure_hooks, flow.on_crashed_hooks)
                for hooks in ends:
                    hooks.append(interruption.end)
            flow(list(overrides))
    except EmbeddedServerError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(_FAILED) from None
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

    storage = PREFECT_LOCAL_STORAGE_PATH.value() or PREFECT_HOME.value()
    log = Path(storage).parent / "server.log"
    log.parent.mkdir(parents=True, exist_ok=True)

    def start() -> None:
        # The one that Prefect's clients ask for, found running.
        server = SubprocessASGIServer()
        server.server_process, server.port = start_server(log, seconds=_SERVER_START_SECONDS)
        server.running = True
        atexit.register(server.stop)

    with ThreadPoolExecutor(max_workers=1) as pool:
        starting = pool.submit(contextvars.copy_context().run, start)
        flow = load()
        starting.result()
    return flow


def _require_servers(composed: Any) -> None:
    """Ask for every server that the settings name, before the run needs one."""
    require_prefect()
    tracking = str((composed.get("tracking") or {}).get("uri", ""))
    if tracking.startswith(("http://", "https://")):
        require_server(tracking, name="MLflow's server (tracking.uri)",
                       cure="start it (make up), or leave tracking.uri out")  # fmt: skip
    address = str((composed.get("cluster") or {}).get("address", ""))
    if address.startswith("tcp://"):
        require_server(address, name="Dask's scheduler (cluster.address)",
                       cure="start it, or choose cluster=threads")  # fmt: skip


def _embedded_server(workspace: Path | None) -> dict[Any, Any]:
    """Give the settings of Prefect's embedded server; none where the user has a server.

    The flow of somebody else has no workspace: Prefect's own folder serves.
    """
    if PREFECT_API_URL.value():
        return {}
    if workspace is None:
        return {}
    folder = workspace.resolve() / "prefect"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise
        raise ConfigError(f"workspace: {error}; expected a folder that can be made") from error
    return {
        PREFECT_SERVER_DATABASE_CONNECTION_URL: f"sqlite+aiosqlite:///{folder / 'prefect.db'}",
        PREFECT_LOCAL_STORAGE_PATH: folder / "storage",
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


def _is_no_hook(record: logging.LogRecord) -> bool:
    """Tell all other lines of Prefect from those on the hooks of `Interruption`."""
    return not record.getMessage().startswith(_HOOKS)


def _explain_mistakes_without_traceback() -> None:
    for name in ("prefect.flow_runs", "prefect.task_runs"):
        logging.getLogger(name).addFilter(_WithoutTraceback())
