"""`python -m flows.services up|down|status`: the services of this machine as a command."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence

from flows.console.loopback import LOOPBACK, reach_loopback_directly
from flows.console.workspace_folder import workspace_folder
from flows.services.local import ServiceSettings, down, status, up
from flows.services.process import ServiceError
from flows.settings.config_error import ConfigError

__all__ = ["main"]

_INTERRUPTED = 128 + signal.SIGINT
_SAYS = "Prefect server, MLflow server and a worker as local processes: up, down, status."


def main(arguments: Sequence[str]) -> int:
    """Run `up`, `down` or `status`; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m flows.services", description=_SAYS)
    parser.add_argument("action", choices=("up", "down", "status"))
    parser.add_argument("--workspace", default=ServiceSettings.workspace)
    parser.add_argument("--host", default=ServiceSettings.host)
    parser.add_argument("--prefect-port", type=int, default=ServiceSettings.prefect_port)
    parser.add_argument("--mlflow-port", type=int, default=ServiceSettings.mlflow_port)
    parser.add_argument("--pool", default=ServiceSettings.pool)
    given = vars(parser.parse_args(arguments))
    action = given.pop("action")
    reach_loopback_directly(os.environ)
    try:
        settings = ServiceSettings(**given | {"workspace": workspace_folder(given["workspace"])})
        if action == "status":
            lines, all_well = status(settings)
        else:
            lines, all_well = (up if action == "up" else down)(settings), True
    except (ServiceError, ConfigError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped by SIGINT: `make down` ends what was started", file=sys.stderr)
        return _INTERRUPTED
    print("\n".join(lines))
    print(f"logs: {settings.folder}")
    if action == "up":
        print(_hint(settings))
    return 0 if all_well else 1


def _hint(settings: ServiceSettings) -> str:
    hint = f"for prefect commands: export PREFECT_API_URL={settings.api_url}"
    if settings.host not in LOOPBACK:
        hint += (
            f"\nlistening on {settings.host}: whoever reaches these ports can run code on this "
            "machine; see docs/deployment.md"
        )
    return hint


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
