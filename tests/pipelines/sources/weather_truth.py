"""The same smooth weather for every source, in house form."""

from collections.abc import Mapping

import numpy as np
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.variables import variable
from tests.climate_data_store.fields import fields as smooth_fields

FIELDS: Mapping[str, tuple[int, ...]] = {
    "2m_temperature": (),
    "total_cloud_cover": (),
    "total_precipitation": (),
    "relative_humidity": (850, 1000),
    "temperature": (850, 1000),
}


def make_truth(
    hours: np.ndarray,
    *,
    grid: Grid,
    fields: Mapping[str, tuple[int, ...]] = FIELDS,
    preliminary_from: str | None = None,
) -> xr.Dataset:
    """Make what a source has to give: exact names, dims, dtypes, attributes, coordinates.

    Hours from `preliminary_from` on are of the experiment version 0005.
    """
    hours = hours.astype("datetime64[h]")
    levels = tuple(sorted({level for wanted in fields.values() for level in wanted}))
    expver = np.full(len(hours), "0001")
    if preliminary_from is not None:
        expver[hours >= np.datetime64(preliminary_from, "h")] = "0005"
    place = np.array(grid.latitude), np.array(grid.longitude)
    variables = {}
    for name, wanted in fields.items():
        kept = levels if wanted else (None,)
        values = np.stack([smooth_fields(name, p, hours, *place, expver=expver) for p in kept], 1)
        dims: tuple[str, ...] = ("time", "level", "latitude", "longitude")
        if not wanted:
            values, dims = values[:, 0], ("time", "latitude", "longitude")
        variables[name] = (dims, values.astype(np.float32), variable(name).attrs)
    attrs = {
        "latitude": {"units": "degrees_north", "standard_name": "latitude"},
        "longitude": {"units": "degrees_east", "standard_name": "longitude"},
    }
    coords = {
        "time": hours.astype("datetime64[ns]"),
        "latitude": ("latitude", place[0], attrs["latitude"]),
        "longitude": ("longitude", place[1], attrs["longitude"]),
        "expver": ("time", expver),
    }
    if levels:
        attrs["level"] = {"units": "hPa", "long_name": "pressure", "positive": "down"}
        coords["level"] = ("level", np.array(levels), attrs["level"])
    return xr.Dataset(variables, coords=coords)
