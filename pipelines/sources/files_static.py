"""Static fields out of a folder of files: one of them may have them, or each its copy."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.static_fields import same_but_for_packing, static_variable
from pipelines.errors import DataError
from pipelines.formats.left_out import because
from pipelines.formats.static_files import Moving, read_static_fields
from pipelines.sources.folder_files import check_name, files_below, list_files
from pipelines.sources.static_source import RawStatic, described_file

__all__ = ["static_of_files"]


def static_of_files(
    folder: Path, names: Sequence[str], *, pattern: str, source: str
) -> dict[str, RawStatic]:
    """Look for static fields in all files of a folder.

    Args:
        folder: looked into, never written to.
        names: of `met2net.data.static_fields`.
        pattern: which of its files are looked at.
        source: name of the source, for manifests.

    Raises:
        DataError: if there is no such folder, none of the files has one of them (what changes with
            time is something else), or two files disagree.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: found no such folder; expected one with data files")
    found: dict[str, tuple[Path, xr.DataArray]] = {}
    files: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    reasons: list[str] = []
    for path, name in product(list_files(folder, pattern), names):
        check_name(path)
        try:
            field = read_static_fields(path, [name]).get(name)
        except Moving as error:  # weather of the same name, as `z` of a level that is not told
            reasons.append(str(error))
            continue
        if field is None:
            continue
        if name in found:
            _check_agreement(found[name], (path, field))
        found.setdefault(name, (path, field))
        files[name].append(described_file(path))
    if absent := [name for name in names if name not in found]:
        called = "; ".join(f"{n}: {' or '.join(static_variable(n).names)}" for n in absent)
        raise DataError(
            f"{folder}: found no {' and no '.join(absent)} in its files; expected a field without "
            f"levels that is the same at every time, called so ({called})"
            f"{files_below(folder, pattern)}" + because(reasons)
        )
    return {
        name: RawStatic(field, {"source": source, "files": files[name]})
        for name, (_, field) in found.items()
    }


def _check_agreement(first: tuple[Path, xr.DataArray], second: tuple[Path, xr.DataArray]) -> None:
    """Refuse two files that differ by more than their packing."""
    (path, field), (other_path, other) = first, second
    grids = [Grid.from_dataset(array.to_dataset()) for array in (field, other)]
    if not grids[0].matches(grids[1]):
        raise DataError(
            f"{other_path}: found {field.name} on {grids[1]}; expected that of {path}, {grids[0]}"
        )
    if not same_but_for_packing(other.values, field.values, str(field.name)):
        largest = float(np.nanmax(np.abs(other.values - field.values)))
        raise DataError(
            f"found {field.name} both in {path} and in {other_path}, and they differ by up to "
            f"{largest:g} {field.attrs['units']}; expected the same"
        )
