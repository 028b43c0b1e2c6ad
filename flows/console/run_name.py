"""Names of flow runs: what was asked for, in place of two random words."""

from collections.abc import Sequence

from prefect.runtime import flow_run

__all__ = ["name_from_overrides", "run_name"]

_PLACES = ("workspace", "archive", "tracking.", "cluster", "prefect_secret")
_LENGTH = 60


def run_name() -> str:
    """Name the present flow run by its overrides; Prefect calls it when a run begins."""
    return name_from_overrides(flow_run.parameters.get("overrides") or ())


def name_from_overrides(overrides: Sequence[str]) -> str:
    """Write the experiment, then what differs from its settings; places are left out.

    `["experiment=demo", "seed=1", "workspace=/tmp/w"]` becomes `demo seed=1`.
    """
    texts = [str(text) for text in overrides]
    experiments = [t.removeprefix("experiment=") for t in texts if t.startswith("experiment=")]
    others = [t for t in texts if not t.startswith(("experiment=", *_PLACES))]
    name = " ".join([*experiments, *others]) or "defaults"
    return name if len(name) <= _LENGTH else f"{name[: _LENGTH - 4]} ..."
