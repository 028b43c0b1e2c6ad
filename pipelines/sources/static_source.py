"""Static fields from a source, beside its weather: fetched once and kept with the raw data."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import xarray as xr

from pipelines.atomic import write_netcdf
from pipelines.errors import DataError
from pipelines.fingerprint import file_sha256, fingerprint
from pipelines.formats.file_array import OF_BROKEN_FILES, broken_file
from pipelines.sources.source import Source

__all__ = ["RawStatic", "StaticSource", "check_static", "described_file", "raw_static_fields"]

_FORMAT = 1
"""Raised whenever a source would give other static fields for the same settings."""
_MANIFEST = "manifest"  # attribute of a kept file
_OFFERED_BY = ("arco", "cds", "files", "gcm", "generated", "weatherbench")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RawStatic:
    """One static field as a source gives it, on the source's own grid.

    Attributes:
        field: of `met2net.data.static_fields`, in its units; dims `latitude` (decreasing),
            `longitude` (as in a `Grid`).
        manifest: plain JSON values: `source`, and what it was read from.
    """

    field: xr.DataArray
    manifest: dict[str, Any]


@runtime_checkable
class StaticSource(Source, Protocol):
    """A source that has static fields."""

    def fetch_static(self, names: Sequence[str], raw_folder: Path) -> dict[str, RawStatic]:
        """Give static fields, each by its name.

        Raises:
            DataError: if the source does not have what is asked, or it is broken.
        """
        ...


def check_static(source: object, names: Sequence[str]) -> None:
    """Refuse static fields of a source that has none, before anything is fetched.

    Raises:
        DataError: naming the source, what is asked for, and which sources have it.
    """
    if names and not isinstance(source, StaticSource):
        own = getattr(source, "name", type(source).__name__)
        raise DataError(
            f"known_inputs have {', '.join(names)}, and source {own} has no static fields; "
            f"expected one of {', '.join(_OFFERED_BY)}, or known_inputs without them"
        )


def raw_static_fields(
    source: object, names: Sequence[str], *, raw_folder: Path
) -> dict[str, RawStatic]:
    """Give static fields of a source: those kept, or fetched now.

    They lie in `static_fields/<source>-<settings>/<name>.nc` under the raw folder: one that is
    there is not fetched again, so that a change in the source's files goes unnoticed until it is
    removed.

    Args:
        source: where they come from.
        names: of `met2net.data.static_fields`.
        raw_folder: where the source keeps what it received.

    Raises:
        DataError: if the source has no static fields, or not these, or a kept one is damaged.
    """
    check_static(source, names)
    if not isinstance(source, StaticSource):
        return {}
    folder = raw_folder / "static_fields" / f"{source.name}-{fingerprint(source, _FORMAT)}"
    paths = {name: folder / f"{name}.nc" for name in names}
    missing = [name for name, path in paths.items() if not path.is_file()]
    if missing:
        _log.info("fetching %s of source %s", ", ".join(missing), source.name)
        for name, raw in source.fetch_static(missing, raw_folder).items():
            manifest = json.dumps(raw.manifest, sort_keys=True)
            write_netcdf(
                paths[name], raw.field.to_dataset(name=name).assign_attrs({_MANIFEST: manifest})
            )
    return {name: _read(path, name) for name, path in paths.items()}


def described_file(path: Path) -> dict[str, Any]:
    """Give name, size and SHA-256 of a file, for a manifest."""
    return {"name": path.name, "size": path.stat().st_size, "sha256": file_sha256(path)}


def _read(path: Path, name: str) -> RawStatic:
    try:
        with xr.open_dataset(path, engine="netcdf4") as dataset:
            return RawStatic(dataset[name].load(), json.loads(dataset.attrs[_MANIFEST]))
    except OF_BROKEN_FILES as error:
        raise broken_file(error, path) from error
