"""Weather from files that are there already: a folder of ERA5 as GRIB, netCDF or zip."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.step_kind import summed_name
from met2net.data.variable_definitions import definitions_of
from met2net.data.variables import known_variables, variable
from met2net.data.windows import hours_since_epoch
from pipelines.errors import DataError
from pipelines.fingerprint import LEFT_OUT_IF_NONE, fingerprint
from pipelines.formats.decode import decode
from pipelines.formats.file_names import check_file_names
from pipelines.formats.levels import held_levels, side_by_side
from pipelines.sources.files_index import IndexedFile, index_folder
from pipelines.sources.files_present import check_present
from pipelines.sources.files_static import static_of_files
from pipelines.sources.folder_files import check_name
from pipelines.sources.hourly_sums import hourly_sums, hours_needed
from pipelines.sources.source import MonthRequest, RawMonth, name_files
from pipelines.sources.static_source import RawStatic

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
        names: what variables are called in netCDF files, where neither ERA5's names nor those of
            a definition: name in the file -> CDS long name, or label of a channel where the file
            does not say the level, as `{air: 2m_temperature, vo: vo850}`.

    Raises:
        ValueError: if names stand for no variable.
    """

    folder: str
    pattern: str = "*"
    attribution: str | None = COPERNICUS
    names: Mapping[str, str] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    def __post_init__(self) -> None:
        """Make the folder absolute; check the names."""
        object.__setattr__(self, "folder", str(Path(self.folder).expanduser().resolve()))
        object.__setattr__(self, "names", dict(self.names) if self.names else None)
        check_file_names(self.names or {})

    @property
    def name(self) -> str:
        """Short name for folders and metadata."""
        return "files"

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        """Give one month out of the files that hold it; only these are decoded.

        Sums since the start of a day or a forecast, marked as such, become those of the hour
        before (see `pipelines.sources.hourly_sums`).

        Under `raw_folder` only an index of the folder is written.

        Raises:
            DataError: if the folder, an hour or a variable is missing, a file is broken, grids
                differ, or two files disagree about the same hours.
        """
        folder = Path(self.folder)
        check_name(folder)
        # An index tells the variables that were known when it was made, by their names then.
        own = definitions_of(known.name for known in known_variables())
        more = [{"names": self.names, "definitions": own}] if self.names or own else []
        cache = raw_folder / self.name / fingerprint(self.folder, self.pattern, *more)
        indexed = index_folder(
            folder, pattern=self.pattern, cache=cache / "index.json", names=self.names,
            doubted=request.hours if request.again else None,
        )  # fmt: skip
        held = _held_names(request, indexed)
        hours = _hours_to_read(request, indexed, held)
        wanted = hours_since_epoch(hours)
        holding = [
            file for file in indexed
            if _holds(file, request.fields, held) and np.isin(wanted, file.hours).any()
        ]  # fmt: skip
        check_present(request, indexed, folder=folder, pattern=self.pattern, held=held)
        _check_grids(holding)
        datasets = {
            file.path: _hours(decode(Path(file.path), names=self.names), hours) for file in holding
        }  # fmt: skip
        fields = {}
        for name, levels in request.fields.items():
            parts = {path: d[held[name]] for path, d in datasets.items() if held[name] in d}
            joined = _joined(name, levels, parts, request.hours)
            if held[name] != name:
                origin = name_files(list(parts))
                joined = hourly_sums(joined, name, hours=request.hours, origin=origin)
            fields[name] = joined.sel(time=request.hours.astype("datetime64[ns]"))
        dataset = side_by_side(fields)
        of_month = [_hours(d, request.hours) for d in datasets.values()]
        expver = _expver([d["expver"] for d in of_month], request.hours)
        files = [{"name": Path(f.path).name, "size": f.size, "sha256": f.sha256} for f in holding]
        return RawMonth(
            dataset.assign_coords(expver=("time", expver)), {"source": self.name, "files": files}
        )

    def fetch_static(self, names: Sequence[str], raw_folder: Path) -> dict[str, RawStatic]:
        """Give static fields out of the files that have them, with or without times.

        Raises:
            DataError: as `pipelines.sources.files_static.static_of_files`.
        """
        del raw_folder
        return static_of_files(Path(self.folder), names, pattern=self.pattern, source=self.name)


def packing_tolerance(name: str) -> float:
    """Give the largest difference between two files of one field that packing explains.

    GRIB rounds a field to 16 bits of its own range, to half a step at worst; two files packed
    apart differ by one step at most. The widest range stands in the table of variables.
    """
    low, high = variable(name).valid_range
    return (high - low) / 2**16


def _held_names(request: MonthRequest, indexed: list[IndexedFile]) -> dict[str, str]:
    """Give each wanted variable's name in the files: another where they have sums of it alone."""
    wanted = hours_since_epoch(request.hours.astype("datetime64[h]"))
    of_month = [file for file in indexed if np.isin(wanted, file.hours).any()]
    names = {}
    for name in request.fields:
        is_there = any(name in file.fields for file in of_month)
        is_summed = any(summed_name(name) in file.fields for file in of_month)
        names[name] = summed_name(name) if is_summed and not is_there else name
    return names


def _hours_to_read(
    request: MonthRequest, indexed: list[IndexedFile], held: Mapping[str, str]
) -> np.ndarray:
    """Give the wanted hours, and the one before where differences of sums are taken."""
    hours = request.hours.astype("datetime64[h]")
    summing = [f.hours for f in indexed if f.fields.keys() & (set(held.values()) - held.keys())]
    return hours_needed(hours, np.concatenate(summing).astype(hours.dtype)) if summing else hours


def _holds(
    file: IndexedFile, fields: Mapping[str, tuple[int, ...]], held: Mapping[str, str]
) -> bool:
    """Tell whether a file has a wanted variable, on a wanted level where it is on levels."""
    return any(
        held[name] in file.fields and (not levels or set(levels) & set(file.fields[held[name]]))
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
    name: str, levels: tuple[int, ...], parts: dict[str, xr.DataArray], hours: np.ndarray
) -> xr.DataArray:
    """Chain a variable's files in time, each level of its own: files may hold one or many."""
    if not levels:
        return _join(name, parts)
    by_level = [
        _join(
            name,
            {path: p.sel(level=level) for path, p in parts.items() if level in held_levels(p)},
        )
        .sel(time=hours.astype("datetime64[ns]"))
        .drop_vars("level")
        for level in levels
    ]
    axis = next(iter(parts.values()))["level"].attrs
    field = xr.concat(by_level, dim="level", join="exact", coords="minimal", compat="override",
                      combine_attrs="override")  # fmt: skip
    field = field.assign_coords(level=("level", list(levels), axis))
    field.attrs = variable(name).attrs
    return field.transpose("time", "level", "latitude", "longitude")


def _join(name: str, parts: dict[str, xr.DataArray]) -> xr.DataArray:
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
    return xr.concat(pieces, dim="time", join="exact", coords="minimal", compat="override",
                     combine_attrs="override").sortby("time")  # fmt: skip


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
