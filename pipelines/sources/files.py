"""Weather from files that are there already: a folder of ERA5 as GRIB, netCDF or zip."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.variables import variable
from met2net.data.windows import hours_since_epoch
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint
from pipelines.formats.decode import decode
from pipelines.formats.levels import held_levels, side_by_side
from pipelines.sources.files_index import IndexedFile, index_folder
from pipelines.sources.folder_files import check_name, files_below
from pipelines.sources.source import MonthRequest, RawMonth, name_files

__all__ = ["COPERNICUS", "Files", "packing_tolerance"]

# Source: licence of the Copernicus products, clause 5.1.2.
COPERNICUS = (
    "Contains modified Copernicus Climate Change Service information. Neither the European "
    "Commission nor ECMWF is responsible for any use that may be made of it."
)


@dataclass(frozen=True)
class Files:
    """A folder of files of any names, with one or many months a file; never changed or copied.

    Attributes:
        folder: where the files lie; kept as an absolute path, so that however it was written,
            it is the same source.
        pattern: which of its files are looked at, as `*` or `**/*.nc`.
        attribution: sentence that must be shown with the data; None for own data.
    """

    folder: str
    pattern: str = "*"
    attribution: str | None = COPERNICUS

    def __post_init__(self) -> None:
        """Make the folder absolute."""
        object.__setattr__(self, "folder", str(Path(self.folder).expanduser().resolve()))

    @property
    def name(self) -> str:
        """Short name for folders and metadata."""
        return "files"

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        """Give one month out of the files that hold it; only these are decoded.

        Under `raw_folder` only an index of the folder is written.

        Raises:
            DataError: if the folder, an hour or a variable is missing, a file is broken, grids
                differ, or two files disagree about the same hours.
        """
        folder = Path(self.folder)
        check_name(folder)
        cache = raw_folder / self.name / fingerprint(self.folder, self.pattern)
        indexed = index_folder(folder, pattern=self.pattern, cache=cache / "index.json")
        wanted = hours_since_epoch(request.hours.astype("datetime64[h]"))
        holding = [
            file for file in indexed
            if _holds(file, request.fields) and np.isin(wanted, file.hours).any()
        ]  # fmt: skip
        _check_present(request, indexed, folder=folder, pattern=self.pattern)
        _check_grids(holding)
        datasets = {
            file.path: _hours(decode(Path(file.path)), request.hours) for file in holding
        }  # fmt: skip
        fields = {
            name: _joined(name, levels, datasets, request.hours)
            for name, levels in request.fields.items()
        }
        dataset = side_by_side(fields)
        expver = _expver([d["expver"] for d in datasets.values()], request.hours)
        files = [{"name": Path(f.path).name, "size": f.size, "sha256": f.sha256} for f in holding]
        return RawMonth(
            dataset.assign_coords(expver=("time", expver)), {"source": self.name, "files": files}
        )


def packing_tolerance(name: str) -> float:
    """Give the largest difference between two files of one field that packing explains.

    GRIB rounds a field to 16 bits of its own range, to half a step at worst; two files packed
    apart differ by one step at most. The widest range stands in the table of variables.
    """
    low, high = variable(name).valid_range
    return (high - low) / 2**16


def _check_present(
    request: MonthRequest, indexed: list[IndexedFile], *, folder: Path, pattern: str
) -> None:
    """Refuse a month that no file has, a variable that its files lack, and missing hours."""
    month, wanted = request.month, hours_since_epoch(request.hours.astype("datetime64[h]"))
    of_month = [file for file in indexed if np.isin(wanted, file.hours).any()]
    if not of_month:
        held = np.concatenate([file.hours for file in indexed]).astype("datetime64[h]")
        found = f"hours from {held.min()} to {held.max()}" if len(held) else "no known variable"
        raise DataError(
            f"{folder}: found {found} in {name_files([file.path for file in indexed])}; expected "
            f"hours of {month}, {request.hours[0]} to {request.hours[-1]}"
            f"{files_below(folder, pattern)}"
        )
    for name, levels in request.fields.items():
        having = [file for file in of_month if name in file.fields]
        if not having:
            known = sorted({known for file in of_month for known in file.fields})
            raise DataError(
                f"{name_files([file.path for file in of_month])}: found {', '.join(known)} for "
                f"{month}; expected also {name}"
            )
        held = sorted({level for file in having for level in file.fields[name]})
        if absent := sorted(set(levels) - set(held)):
            raise DataError(
                f"{name_files([file.path for file in having])}: found {name} on levels {held}; "
                f"expected {absent} hPa"
            )
        for level in levels or (None,):
            _check_hours(name, level, having, request)


def _check_hours(
    name: str, level: int | None, having: list[IndexedFile], request: MonthRequest
) -> None:
    """Refuse hours that no file with a variable on a level has."""
    wanted = hours_since_epoch(request.hours.astype("datetime64[h]"))
    files = [file for file in having if level is None or level in file.fields[name]]
    missing = np.setdiff1d(wanted, np.concatenate([file.hours for file in files]))
    if len(missing):
        raise DataError(
            f"{name_files([file.path for file in files])}: found {name} "
            f"{'' if level is None else f'at {level} hPa '}for "
            f"{len(wanted) - len(missing)} of {len(wanted)} hours of {request.month}; expected all "
            f"(the first missing one is {missing[0].astype('datetime64[h]')})"
        )


def _holds(file: IndexedFile, fields: Mapping[str, tuple[int, ...]]) -> bool:
    """Tell whether a file has a wanted variable, on a wanted level where it is on levels."""
    return any(
        name in file.fields and (not levels or set(levels) & set(file.fields[name]))
        for name, levels in fields.items()
    )


def _check_grids(holding: list[IndexedFile]) -> None:
    """Refuse fields on different grids."""
    for file in holding[1:]:
        if not file.grid.matches(holding[0].grid):
            raise DataError(
                f"{file.path}: found a grid of {file.grid}; expected that of "
                f"{holding[0].path}, {holding[0].grid}"
            )


def _hours(dataset: xr.Dataset, hours: np.ndarray) -> xr.Dataset:
    """Keep the wanted hours."""
    return dataset.isel(time=np.isin(dataset["time"].values, hours))


def _joined(
    name: str,
    levels: tuple[int, ...],
    datasets: dict[str, xr.Dataset],
    hours: np.ndarray,
) -> xr.DataArray:
    """Chain a variable's files in time, each level of its own: files may hold one or many."""
    parts = {path: dataset[name] for path, dataset in datasets.items() if name in dataset}
    if not levels:
        return _join(name, parts, hours)
    by_level = [
        _join(
            name,
            {path: p.sel(level=level) for path, p in parts.items() if level in held_levels(p)},
            hours,
        ).drop_vars("level")
        for level in levels
    ]
    axis = next(iter(parts.values()))["level"].attrs
    field = xr.concat(by_level, dim="level", join="exact", coords="minimal", compat="override",
                      combine_attrs="override")  # fmt: skip
    field = field.assign_coords(level=("level", list(levels), axis))
    field.attrs = variable(name).attrs
    return field.transpose("time", "level", "latitude", "longitude")


def _join(name: str, parts: dict[str, xr.DataArray], hours: np.ndarray) -> xr.DataArray:
    """Chain the files' hours in time; hours that two files have must agree."""
    pieces: list[xr.DataArray] = []
    taken: list[tuple[str, xr.DataArray]] = []
    for path, part in parts.items():
        new = np.ones(part.sizes["time"], dtype=bool)
        for other_path, other in taken:
            shared = np.isin(part["time"].values, other["time"].values)
            if shared.any():
                _check_agreement(name, (path, part), (other_path, other))
                new &= ~shared
        taken.append((path, part))
        if new.any():
            pieces.append(part.isel(time=new).drop_vars("expver", errors="ignore"))
    grid = {axis: pieces[0][axis] for axis in ("latitude", "longitude")}
    pieces = [piece.assign_coords(grid) for piece in pieces]  # equal but for rounding
    joined = xr.concat(pieces, dim="time", join="exact", coords="minimal", compat="override",
                       combine_attrs="override").sortby("time")  # fmt: skip
    return joined.sel(time=hours.astype("datetime64[ns]"))


def _check_agreement(
    name: str, first: tuple[str, xr.DataArray], second: tuple[str, xr.DataArray]
) -> None:
    """Refuse two files that differ by more than their packing about the same hours."""
    common = np.intersect1d(first[1]["time"].values, second[1]["time"].values)
    a, b = (part.sel(time=common).values for _, part in (first, second))
    tolerance = packing_tolerance(name)
    if not np.array_equal(np.isnan(a), np.isnan(b)):
        largest = "one has values where the other has none"
    else:
        difference = float(np.nanmax(np.abs(a - b), initial=0.0))
        if difference <= tolerance:
            return
        largest = f"they differ by up to {difference:g}"
    at = f" at {int(first[1]['level'])} hPa" if "level" in first[1].coords else ""
    raise DataError(
        f"found {name}{at} of {len(common)} hours from {common[0].astype('datetime64[h]')} on both "
        f"in {first[0]} and in {second[0]}, and {largest}; expected the same within "
        f"{tolerance:g} {variable(name).units}"
    )


def _expver(parts: list[xr.DataArray], hours: np.ndarray) -> np.ndarray:
    """Give each hour's experiment version: preliminary if any of its files says so."""
    latest = np.full(len(hours), "", dtype="<U4")
    for part in parts:
        place = np.searchsorted(hours, part["time"].values.astype(hours.dtype))
        latest[place] = np.where(part.values > latest[place], part.values, latest[place])
    return latest
