"""What a registered model's page says at its top: what is in production, since when, and why."""

import textwrap
from collections.abc import Sequence

from pipelines.registry.alias_change import AliasChange

__all__ = ["describe_model"]

_MOST_CHANGES = 20
_ROW_LENGTH, _REASON_LENGTH = 140, 600  # with these a description stays below MLflow's 5000


def describe_model(name: str, history: Sequence[AliasChange]) -> str:
    """Write the description of a registered model in Markdown.

    Args:
        name: registered name.
        history: every change of its aliases, oldest first.
    """
    of_champion = [change for change in history if change.alias == "champion"]
    lines = [f"# {name}", ""]
    if of_champion and of_champion[-1].version is not None:
        now = of_champion[-1]
        lines += [
            f"**In production: version {now.version}**, since {_minute(now.time)} UTC: "
            f"{_on_one_line(now.reason, length=_REASON_LENGTH)}.",
            "",
            f"Load it as `models:/{name}@champion`; each version's own page is its model card.",
        ]
    else:
        lines.append("In production: none yet.")
    shown = list(reversed(history))[:_MOST_CHANGES]
    left_out = len(history) - len(shown)
    lines += [
        "",
        "## Changes of aliases",
        "",
        "An alias that is moved in this page shows here when the next command of the project "
        "notices it (`flows/registry.py`).",
        "",
        "| time (UTC) | alias | version | before | reason |",
        "|---|---|---|---|---|",
        *(
            f"| {_minute(c.time)} | {c.alias} | {c.version or '–'} | {c.previous or '–'} "
            f"| {_on_one_line(c.reason, length=_ROW_LENGTH)} |"
            for c in shown
        ),
    ]
    if left_out:
        lines += ["", f"{left_out} earlier changes: `flows/registry.py action=history`."]
    return "\n".join(lines) + "\n"


def _minute(time: str) -> str:
    return time[:16].replace("T", " ")


def _on_one_line(reason: str, *, length: int) -> str:
    """Give a reason as it breaks no table, cut between words where it is long."""
    return textwrap.shorten(reason.replace("|", "/"), length, placeholder=" ...")
