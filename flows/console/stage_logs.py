"""The stages' own log lines, which Prefect shows in the terminal and in a run's page."""

import logging

__all__ = ["STAGE_LOGGERS", "show_stage_logs"]

STAGE_LOGGERS = ("pipelines", "met2net", "flows")
"""Also named for Prefect, in `pyproject.toml` for commands, in `prefect.yaml` for deployments."""


def show_stage_logs() -> None:
    """Let lines from INFO on through; below a program's choice, Python lets only warnings."""
    for name in STAGE_LOGGERS:
        logging.getLogger(name).setLevel(logging.INFO)
