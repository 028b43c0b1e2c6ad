"""How a month lies in the archive: attributes, dtypes, chunks, and writing it at its place.

A chunk is one UTC day of one level of the whole field: 24 fields, or 4 of every six hours. The
archive's first hour is an hour 00 and months follow each other without a gap, so every month
starts a chunk and no two months share one.
"""

import json
from collections.abc import Mapping
from typing import Any

import icechunk
import numpy as np
import xarray as xr
import zarr
from zarr.codecs import ZstdCodec

from met2net.data.variables import variable
from pipelines.archive.step import step_of
from pipelines.sources.source import Source

__all__ = ["open_hours", "to_layout", "write_month"]

_DAY = 24  # hours in a chunk
_TIME_CHUNK = 366 * 24  # of the small vectors along time
_COORDINATE_ATTRS = {
    "time": {"standard_name": "time", "axis": "T"},
    "latitude": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
    "level": {"standard_name": "air_pressure", "units": "hPa", "positive": "down", "axis": "Z"},
    "expver": {"long_name": "ECMWF experiment version: 0001 final, 0005 preliminary (ERA5T)"},
}


def to_layout(
    month: xr.Dataset,
    fields: Mapping[str, tuple[int, ...]],
    source: Source,
    settings: dict[str, Any],
) -> xr.Dataset:
    """Bring a month to the archive's layout: attributes, dtypes, chunks, nothing else.

    Args:
        month: on the archive's grid.
        fields: CDS long name -> pressure levels [hPa].
        source: where it comes from.
        settings: that the archive is made with; the time step among them.
    """
    levels = sorted({level for wanted in fields.values() for level in wanted})
    dataset = month[list(fields)].drop_encoding()
    if levels:
        dataset = dataset.sel(level=levels)
    keep = ["time", "expver", "latitude", "longitude", *(["level"] if levels else [])]
    dataset = dataset.reset_coords(drop=True)[list(fields)].assign_coords(
        {
            "time": month["time"].values.astype("datetime64[ns]"),
            # Fixed-width text has no place in Zarr's specification; this has.
            "expver": ("time", month["expver"].values.astype(np.dtypes.StringDType())),
        }
    )
    for name in fields:
        dataset[name] = dataset[name].astype(np.float32, copy=False)
        dataset[name].attrs = variable(name).attrs
    for name in keep:
        dataset[name].attrs = _COORDINATE_ATTRS[name]
    dataset.attrs = {
        "Conventions": "CF-1.11",
        "title": "Weather fields archived by met2net",
        "source": source.name,
        "attribution": source.attribution or "",
        "settings": json.dumps(settings),
    }
    return _in_days(dataset, _DAY // step_of(settings))


def write_month(
    session: icechunk.Session, month: xr.Dataset, *, start: int, num_archived: int
) -> None:
    """Write a month at its position: new archive, over itself, or at the end.

    Args:
        session: where to write.
        month: in the archive's layout.
        start: position of its first hour.
        num_archived: hours that the archive holds before.
    """
    month = month.assign_coords(expver=month["expver"].compute())
    if num_archived == 0:
        month.to_zarr(session.store, consolidated=False, mode="w-", encoding=_encoding(month))
        return
    end = start + month.sizes["time"]
    if end < num_archived:  # a month before the last one: as many hours as before
        moving = month.drop_vars([name for name in month.coords if "time" not in month[name].dims])
        moving.to_zarr(
            session.store, consolidated=False, mode="r+", region={"time": slice(start, end)}
        )
        return
    if start < num_archived:
        _cut(session, start)
    month.to_zarr(session.store, consolidated=False, append_dim="time")


def open_hours(store: icechunk.IcechunkStore, start: int, end: int) -> xr.Dataset:
    """Open the hours from one position to another lazily, a day a chunk."""
    # Cut first, then give it to Dask: its graph must not grow with the archive.
    whole = xr.open_zarr(store, consolidated=False, chunks=None)
    hours = whole.isel(time=slice(start, end))
    return _in_days(hours, _DAY // step_of(json.loads(whole.attrs["settings"])))


def _in_days(dataset: xr.Dataset, hours_a_day: int) -> xr.Dataset:
    """Chunk by days of single levels."""
    chunks = {"time": hours_a_day, "level": 1, "latitude": -1, "longitude": -1}
    return dataset.chunk({dim: size for dim, size in chunks.items() if dim in dataset.dims})


def _cut(session: icechunk.Session, length: int) -> None:
    """Take the hours from a position on away, at the edge of a day's chunk."""
    group = zarr.open_group(session.store, mode="r+")
    for _, array in group.arrays():
        if "time" in (getattr(array.metadata, "dimension_names", None) or ())[:1]:
            array.resize((length, *array.shape[1:]))


def _encoding(month: xr.Dataset) -> dict[str, dict[str, Any]]:
    # A short first month must not make its day's chunk shorter. The checksum tells a damaged
    # chunk from weather: Icechunk has none of its own.
    compressor = ZstdCodec(checksum=True)
    hours_a_day = _DAY // step_of(json.loads(month.attrs["settings"]))
    encoding: dict[str, dict[str, Any]] = {
        str(name): {
            "chunks": (hours_a_day, *(sizes[0] for sizes in (array.chunks or ())[1:])),
            "compressors": compressor,
        }
        for name, array in month.data_vars.items()
    }
    encoding["time"] = {
        "units": "hours since 1970-01-01",
        "calendar": "proleptic_gregorian",
        "dtype": "int64",
        "chunks": (_TIME_CHUNK,),
    }
    encoding["expver"] = {"chunks": (_TIME_CHUNK,)}
    return encoding
