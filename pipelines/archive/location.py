"""Where the archive of a source, fields and grid lies."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from met2net.data.variable_definitions import definitions_of
from pipelines.fields.target_grids import GridSettings
from pipelines.fingerprint import fingerprint
from pipelines.sources.source import Source

__all__ = ["archive_location"]


def archive_location(
    root: str | None,
    workspace: Path,
    *,
    source: Source,
    fields: Mapping[str, Sequence[int]],
    grid: GridSettings,
    step_hours: int = 1,
) -> str:
    """Name an archive after what is in it, so that flows with the same settings share it.

    Args:
        root: folder or `s3://bucket/prefix` of all archives; None: in the workspace.
        workspace: folder of everything that runs write.
        source: where the weather comes from.
        fields: CDS long name -> pressure levels [hPa].
        grid: the archive's grid.
        step_hours: its time step [h].
    """
    plain = {name: list(levels) for name, levels in fields.items()}
    own = definitions_of(fields)
    # Named only where there are any, so that archives made before keep their names.
    more = ([{"step_hours": step_hours}] if step_hours != 1 else []) + ([own] if own else [])
    key = fingerprint(source, plain, grid, *more)
    base = str(workspace / "archive") if root is None else root.rstrip("/")
    return f"{base}/{source.name}-{key}"
