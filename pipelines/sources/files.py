"""Weather from files that are there already: a folder of ERA5 as GRIB, netCDF or zip."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.variable_definitions import definitions_of
from met2net.data.variables import known_variables, variable
from met2net.data.windows import hours_since_epoch
from pipelines.errors import DataError
from pipelines.fingerprint import LEFT_OUT_IF_NONE, fingerprint
from pipelines.formats.decode import decode
from pipelines.formats.file_names import check_file_names
from pipelines.period import STEPS
from pipelines.sources.files_index import IndexedFile, index_folder
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

        Under `raw_folder` only an index of the folder is written.

        Raises:
            DataError: if the folder, an hour or a variable is missing, a file is broken, grids
                differ, or two files disagree about the same hours.
        """
        folder = Path(self.folder)
        # An index tells the variables that were known when it was made, by their names then.
        own = definitions_of(known.name for known in known_variables())
        more = [{"names": self.names, "definitions": own}] if self.names or own else []
        cache = raw_folder / self.name / fingerprint(self.folder, self.pattern, *more)
        indexed = index_folder(
            folder, pattern=self.pattern, cache=cache / "index.json", names=self.names
        )
        wanted = hours_since_epoch(request.hours.astype("datetime64[h]"))
        holding = [
            file for file in indexed
            if file.fields.keys() & request.fields.keys() and np.isin(wanted, file.hours).any()
        ]  # fmt: skip
        _check_present(request, indexed, folder=folder)
        _check_grids(holding)
        datasets = {
            file.path: _hours(decode(Path(file.path), names=self.names), request.hours)
            for file in holding
        }  # fmt: skip
        levels = tuple(sorted({level for wanted in request.fields.values() for level in wanted}))
        fields = {}
        for name in request.fields:
            parts = {path: d[name] for path, d in datasets.items() if name in d}
            fields[name] = _join(name, _with_levels(parts, levels), request.hours)
        dataset = xr.Dataset(fields)
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


def _check_present(request: MonthRequest, indexed: list[IndexedFile], *, folder: Path) -> None:
    """Refuse a month that no file has, a variable that its files lack, and missing hours."""
    month, wanted = request.month, hours_since_epoch(request.hours.astype("datetime64[h]"))
    of_month = [file for file in indexed if np.isin(wanted, file.hours).any()]
    if not of_month:
        held = np.concatenate([file.hours for file in indexed]).astype("datetime64[h]")
        found = f"hours from {held.min()} to {held.max()}" if len(held) else "no known variable"
        raise DataError(
            f"{folder}: found {found} in {name_files([file.path for file in indexed])}; expected "
            f"hours of {month}, {request.hours[0]} to {request.hours[-1]}"
        )
    for name in request.fields:
        having = [file for file in of_month if name in file.fields]
        if not having:
            known = sorted({known for file in of_month for known in file.fields})
            raise DataError(
                f"{name_files([file.path for file in of_month])}: found {', '.join(known)} for "
                f"{month}; expected also {name}"
            )
        held = np.unique(np.concatenate([file.hours for file in having]))
        missing = np.setdiff1d(wanted, held)
        if len(missing):
            raise DataError(
                f"{name_files([file.path for file in having])}: found {name} for "
                f"{len(wanted) - len(missing)} of {len(wanted)} hours of {month}; expected all "
                f"(the first missing one is {missing[0].astype('datetime64[h]')})"
                + _step_of(held, wanted)
            )


def _step_of(held: np.ndarray, wanted: np.ndarray) -> str:
    """Say what time step files have that hold evenly spaced hours, where another was wanted."""
    inside = held[(held >= wanted[0]) & (held <= wanted[-1])]
    steps = np.unique(np.diff(inside))
    if len(steps) != 1 or steps[0] not in STEPS or np.isin(inside, wanted).mean() < 1:
        return ""
    return f"; the files have one every {steps[0]} hours: set data.step_hours={steps[0]}"


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


def _with_levels(
    parts: dict[str, xr.DataArray], levels: tuple[int, ...]
) -> dict[str, xr.DataArray]:
    """Select the levels that the whole request names; one axis serves all variables."""
    chosen = {}
    for path, part in parts.items():
        if "level" in part.dims:
            absent = sorted(set(levels) - set(part["level"].values.tolist()))
            if absent:
                raise DataError(
                    f"{path}: found {part.name} on levels {part['level'].values.tolist()}; "
                    f"expected {list(levels)} hPa, all in one file"
                )
            part = part.sel(level=list(levels))
        chosen[path] = part
    return chosen


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
    raise DataError(
        f"found {name} of {len(common)} hours from {common[0].astype('datetime64[h]')} on both in "
        f"{first[0]} and in {second[0]}, and {largest}; expected the same within "
        f"{tolerance:g} {variable(name).units}"
    )


def _expver(parts: list[xr.DataArray], hours: np.ndarray) -> np.ndarray:
    """Give each hour's experiment version: preliminary if any of its files says so."""
    latest = np.full(len(hours), "", dtype="<U4")
    for part in parts:
        place = np.searchsorted(hours, part["time"].values.astype(hours.dtype))
        latest[place] = np.where(part.values > latest[place], part.values, latest[place])
    return latest
