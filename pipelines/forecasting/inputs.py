"""The hours that a forecast starts from: an archive's newest, a file's, or a source's."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

from met2net.checkpoint import Checkpoint
from met2net.data.cf_metadata import with_cf_metadata
from met2net.data.variables import required_fields, variable
from met2net.data.windows import WindowSpec
from pipelines.atomic import write_netcdf
from pipelines.errors import DataError
from pipelines.fields.derived import add_derived, source_fields
from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import GridSettings
from pipelines.fields.verify_month import check_content
from pipelines.formats.canonical import canonical
from pipelines.formats.decode import decode
from pipelines.formats.file_names import with_house_names
from pipelines.formats.left_out import because, left_out
from pipelines.period import Month
from pipelines.sources.source import MonthRequest, Source

__all__ = ["choose_init_time", "read_fields", "read_inputs", "read_source", "write_inputs"]

_FILE = "inputs.nc"


def read_fields(
    path: Path, labels: tuple[str, ...], *, names: Mapping[str, str] | None = None
) -> xr.Dataset:
    """Open fields that somebody has: a GRIB, netCDF or zip file, or a Zarr folder, lazily.

    Args:
        path: the file or folder; told by content.
        labels: channels that are needed; a derived one is computed where the file lacks it.
        names: what variables are called there (see `pipelines.formats.file_names`).

    Returns:
        CDS long names in ERA5's units, in the form that an archive has.

    Raises:
        DataError: if there is nothing, it cannot be read, or it holds no known variable.
    """
    if path.is_dir():
        if not any((path / name).is_file() for name in ("zarr.json", ".zgroup", ".zmetadata")):
            raise DataError(
                f"{path} is a folder without Zarr metadata; expected a Zarr store, a file, or "
                f"input=source source=files source.folder={path} for a folder of files"
            )
        stored = zarr.open_group(path, mode="r").metadata.consolidated_metadata
        opened = xr.open_zarr(path, consolidated=stored is not None, chunks={})
        named = with_house_names(opened, names or {}, origin=str(path))
        dataset = canonical(named, origin=str(path))
        dataset.attrs = dict(opened.attrs)
    elif path.is_file():
        dataset = decode(path, names=names)
    else:
        raise DataError(f"found no {path}; expected a netCDF or GRIB file or a Zarr store")
    if not dataset.data_vars:
        raise DataError(
            f"{path}: found no known variable; expected CDS names or ERA5's short ones"
            + because(left_out(dataset))
        )
    return _with_derived(dataset, required_fields(labels))


def read_source(
    source: Source,
    *,
    fields: Mapping[str, tuple[int, ...]],
    grid: GridSettings,
    hours: np.ndarray,
    raw_folder: Path,
) -> xr.Dataset:
    """Fetch some hours from a source and bring them to a grid, past any archive.

    Args:
        source: where weather comes from.
        fields: CDS long name -> pressure levels [hPa] that are needed.
        grid: the grid that the model was trained on, as an archive's settings have it.
        hours: the hours, UTC, increasing.
        raw_folder: where the source keeps what it received.

    Raises:
        DataError: if the source does not have them, or has values that cannot be weather.
    """
    wanted = hours.astype("datetime64[h]")
    parts = []
    for start in np.unique(wanted.astype("datetime64[M]")):
        month = Month.parse(str(start))
        of_month = wanted[wanted.astype("datetime64[M]") == start]
        request = MonthRequest(month, of_month, source_fields(fields))
        raw = source.fetch(request, raw_folder)
        # Before regridding, whose means would hide a few numbers that stand for "no value".
        _check_values(raw.dataset, request.fields, origin=f"source {source.name}")
        parts.append(regrid(add_derived(raw.dataset, fields), grid))
    joined = xr.concat(parts, dim="time", join="exact", data_vars="minimal", coords="minimal",
                       compat="override", combine_attrs="override")  # fmt: skip
    return joined.assign_attrs(attribution=source.attribution or "", source=source.name)


def choose_init_time(
    times: np.ndarray, window: WindowSpec, *, init_time: str | None
) -> np.datetime64:
    """Give the init time that was asked for, or the newest with all input hours.

    Raises:
        DataError: if it cannot be read, or no hour has all inputs before it.
    """
    if init_time is not None:
        try:
            moment: np.datetime64 = np.datetime64(init_time).astype("datetime64[ns]")
        except ValueError as error:
            raise DataError(
                f"init_time is {init_time!r}; expected an hour in UTC, as 2020-12-31T12"
            ) from error
        return moment
    hours = np.asarray(times).astype("datetime64[h]")
    offsets = np.asarray(window.input_hours).astype("timedelta64[h]")
    possible = np.isin(hours[:, None] + offsets, hours).all(axis=1)
    if not possible.any():
        found = f"{len(hours)} hours" + (f", {hours.min()} to {hours.max()}" if len(hours) else "")
        raise DataError(
            f"found {found}; expected the {len(offsets)} hours at "
            f"{', '.join(map(str, window.input_hours))} h from an init time"
        )
    return np.datetime64(hours[possible].max(), "ns")


def write_inputs(
    dataset: xr.Dataset, checkpoint: Checkpoint, *, init_time: np.datetime64, folder: Path
) -> Path:
    """Write the hours and variables that a model starts from as `inputs.nc`.

    What is missing is left out; `met2net.forecast` says so where it is needed.

    Raises:
        DataError: if there is none of the hours, or none of the variables, or a value cannot
            be weather: another unit than the file says, a number that stands for "no value".
    """
    offsets = np.asarray(checkpoint.window.input_hours).astype("timedelta64[h]")
    wanted = init_time + offsets
    times = dataset["time"].values.astype("datetime64[ns]")
    missing = wanted[~np.isin(wanted, times)]
    if len(missing):
        shown = ", ".join(str(np.datetime_as_string(time, unit="h")) for time in missing)
        span = f"{times.min()} to {times.max()}"[:16] if len(times) else "none"
        raise DataError(f"found no fields at {shown}; found hours: {span}; expected {len(wanted)} "
                        "hours up to the init time")  # fmt: skip
    fields = required_fields(checkpoint.input_channels)
    missing_names = [name for name in fields if name not in dataset]
    if missing_names:
        raise DataError(
            f"found no {', '.join(missing_names)}; found: {', '.join(map(str, dataset.data_vars))}"
        )
    sources = source_fields(fields)
    # What derived variables were computed from is checked too, where it is there: a humidity of
    # temperatures in another unit may look like one.
    read = dataset[[name for name in {**fields, **sources} if name in dataset]].sel(time=wanted)
    if "level" in read.dims:
        levels = sorted({level for wanted_levels in fields.values() for level in wanted_levels})
        held = [level for level in levels if level in read["level"].values]
        read = read.sel(level=held)
    read = read.drop_vars("expver", errors="ignore").load()
    _check_values(read, {**sources, **fields}, origin=str(dataset.attrs.get("input", "inputs")))
    chosen = read[list(fields)]
    for name in chosen.variables:  # a store's own chunks and codecs do not fit netCDF
        chosen[name].encoding = {}
    title = f"Fields that a forecast from {init_time.astype('datetime64[h]')} UTC starts from"
    chosen.attrs.setdefault("title", title)
    write_netcdf(folder / _FILE, with_cf_metadata(chosen, history=title))
    return folder / _FILE


def read_inputs(folder: Path) -> xr.Dataset:
    """Read what `write_inputs` wrote, into memory."""
    with xr.open_dataset(folder / _FILE, engine="netcdf4") as dataset:
        return dataset.drop_vars("time_bounds", errors="ignore").load()


def _check_values(
    dataset: xr.Dataset, fields: Mapping[str, tuple[int, ...]], *, origin: str
) -> None:
    """Hold fields to what an archive accepts; levels that are not there are told later.

    Raises:
        DataError: naming the file or source, variable, hour, place, value and limits.
    """
    held = dataset["level"].values if "level" in dataset.dims else ()
    present = {
        name: tuple(level for level in levels if level in held)
        for name, levels in fields.items()
        if name in dataset
    }
    present = {name: levels for name, levels in present.items() if levels or not fields[name]}
    try:
        check_content(dataset.chunk({"time": "auto", "latitude": -1, "longitude": -1}), present)
    except DataError as error:
        raise DataError(f"{origin}: {error}") from error


def _with_derived(dataset: xr.Dataset, fields: Mapping[str, tuple[int, ...]]) -> xr.Dataset:
    """Compute the derived variables that are asked for and not there, where that is possible."""
    missing = {
        name: levels
        for name, levels in fields.items()
        if name not in dataset and variable(name).derived_from
    }
    if missing and set(source_fields(missing)) <= set(dataset.data_vars):
        return dataset.assign(add_derived(dataset, missing).data_vars)
    return dataset
