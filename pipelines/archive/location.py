"""Where the archive of a source, fields and grid lies."""

from collections.abc import Mapping, Sequence
from pathlib import Path

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
) -> str:
    """Name an archive after what is in it, so that flows with the same settings share it.

    Args:
        root: folder or `s3://bucket/prefix` of all archives; None: in the workspace.
        workspace: folder of everything that runs write.
        source: where the weather comes from.
        fields: CDS long name -> pressure levels [hPa].
        grid: the archive's grid.
    """
    key = fingerprint(source, {name: list(levels) for name, levels in fields.items()}, grid)
    base = str(workspace / "archive") if root is None else root.rstrip("/")
    return f"{base}/{source.name}-{key}"
