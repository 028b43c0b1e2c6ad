"""Prefect plugin: adds `prefect run`, shows the stages' log lines, switches telemetry off.

Prefect loads it through the entry point group `prefect.plugins` where plugins are enabled,
which `pyproject.toml` does for everyone who stands in this repository, and `prefect.yaml` for
runs of deployments, which begin in a folder of their own.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

from prefect.plugins import HookContext, SetupResult, register_hook

from flows.console.checkout import run_the_code_beside
from flows.console.interruption import end_at_once
from flows.console.loopback import reach_loopback_directly
from flows.console.stage_logs import show_stage_logs

__all__ = ["setup_environment"]

_HELP = """Run the flow in a file with Hydra overrides.

Example: prefect run flows/full_experiment.py experiment=demo seed=1

The choices are the files under configs/: a folder there is a group (experiment=mumbai), a key in
a file is a value (evaluation.batch_size=32). A mistake ends with one line that names the valid
choices, and exit status 2.
"""
_QUIET = {
    "DO_NOT_TRACK": "true",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}


@register_hook
def setup_environment(*, ctx: HookContext) -> SetupResult:
    """Register the command, show the stages' log lines, give the environment quiet defaults.

    A variable that somebody has set stays as it is.
    """
    del ctx
    # Before the imports of a script, which are of one checkout only.
    run_the_code_beside(Path(sys.argv[0]), sys.argv)
    if _starts_a_run(sys.argv):
        end_at_once()
    show_stage_logs()
    reach_loopback_directly(os.environ)
    from prefect.cli._app import _app

    # Prefect asks plugins once a process; a second registration would be an error.
    if "run" not in _app:
        _app.command("flows.console.run_command:run_app", name="run", help=_HELP)
    return SetupResult(env={k: v for k, v in _QUIET.items() if k not in os.environ})


def _starts_a_run(arguments: Sequence[str]) -> bool:
    """Tell `prefect run ...` and `python FLOW.py ...` from programs that are not ours to end."""
    is_script = Path(arguments[0]).resolve().parent == Path(__file__).resolve().parent
    return is_script or list(arguments[1:2]) == ["run"]
