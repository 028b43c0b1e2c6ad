"""Write netCDF in the layout of the Climate Data Store, one file a step type."""

import io
import zipfile
from collections.abc import Sequence

import numpy as np
import xarray as xr

from tests.climate_data_store.layers import Layer, Reply

__all__ = ["encode_netcdf", "encode_zip", "member_name", "split_by_step_type"]

_HISTORY = (
    "2026-09-25T00:00 GRIB to CDM+CF via cfgrib-0.9.15.1/ecCodes-2.48.2 with "
    "{{'source': 'data.grib', 'filter_by_keys': {{'stream': ['oper'], 'stepType': ['{}']}}}}"
)
_FIRST_ZIP_DATE = (1980, 1, 1, 0, 0, 0)  # the same bytes for the same content
_RELEASES = {"0001": 1, "0005": 5}


def split_by_step_type(reply: Reply) -> dict[str, Reply]:
    """Give a reply for each step type."""
    kinds = dict.fromkeys(layer.variable.step_type for layer in reply.layers)
    return {
        kind: Reply(
            tuple(x for x in reply.layers if x.variable.step_type == kind),
            reply.latitude, reply.longitude, reply.expver_form,
        )
        for kind in kinds
    }  # fmt: skip


def member_name(step_type: str, suffix: str) -> str:
    """Name a zip's member."""
    return f"data_stream-oper_stepType-{step_type}.{suffix}"


def encode_zip(members: dict[str, bytes]) -> bytes:
    """Put files into a zip, unpacked size and all; without compression, as the service."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        for name, member in members.items():
            archive.writestr(zipfile.ZipInfo(name, _FIRST_ZIP_DATE), member)
    return content.getvalue()


def encode_netcdf(reply: Reply) -> bytes:
    """Encode the fields of one step type.

    By h5netcdf: its library has a lock of its own, while the reader under test uses netCDF4.
    """
    by_variable: dict[str, list[Layer]] = {}
    for layer in reply.layers:
        by_variable.setdefault(layer.variable.name, []).append(layer)
    expver = reply.layers[0].expver
    dataset = xr.Dataset(
        {layers[0].variable.label: _field(layers, reply) for layers in by_variable.values()},
        coords=_coordinates(reply),
        attrs={
            "GRIB_centre": "ecmf", "GRIB_centreDescription": "European Centre for Medium-Range "
            "Weather Forecasts", "GRIB_subCentre": np.int64(0), "Conventions": "CF-1.7",
            "institution": "European Centre for Medium-Range Weather Forecasts",
            "history": _HISTORY.format(reply.layers[0].variable.step_type),
        },
    )  # fmt: skip
    uniform = len(set(expver)) == 1
    if reply.expver_form == "dimension" and not uniform:
        dataset = _with_expver_dimension(dataset, expver)
    elif reply.expver_form == "per_time" or not uniform:
        dataset = dataset.assign_coords(expver=("valid_time", expver.astype(object)))
    elif reply.expver_form == "scalar":
        dataset = dataset.assign_coords(expver=np.array(expver[0], dtype=object))
    else:
        dataset = dataset.assign_coords(expver=np.int64(_RELEASES[expver[0]]))
    return _to_bytes(dataset)


def _field(layers: Sequence[Layer], reply: Reply) -> xr.DataArray:
    """Stack a variable's levels, 1000 hPa first."""
    ordered = sorted(layers, key=lambda layer: -(layer.level or 0))
    values = np.stack([x.values(reply.latitude, reply.longitude) for x in ordered], axis=1)
    first = ordered[0]
    dims = ("valid_time", "pressure_level", "latitude", "longitude")
    if first.level is None:
        values, dims = values[:, 0], ("valid_time", "latitude", "longitude")
    variable = first.variable
    attrs = {
        "GRIB_paramId": np.int64(0), "GRIB_dataType": "an" if variable.step_type == "instant"
        else "fc", "GRIB_numberOfPoints": np.int64(values[0].size),
        "GRIB_typeOfLevel": "surface" if first.level is None else "isobaricInhPa",
        "GRIB_stepUnits": np.int64(1), "GRIB_stepType": variable.step_type,
        "GRIB_gridType": "regular_ll", "GRIB_Nx": np.int64(len(reply.longitude)),
        "GRIB_Ny": np.int64(len(reply.latitude)), "GRIB_missingValue": 3.4028234663852886e38,
        "GRIB_latitudeOfFirstGridPointInDegrees": float(reply.latitude[0]),
        "GRIB_latitudeOfLastGridPointInDegrees": float(reply.latitude[-1]),
        "GRIB_longitudeOfFirstGridPointInDegrees": float(reply.longitude[0]),
        "GRIB_longitudeOfLastGridPointInDegrees": float(reply.longitude[-1]),
        "GRIB_name": variable.long_name, "GRIB_shortName": variable.grib_short_name,
        "GRIB_units": first.units, "long_name": variable.long_name, "units": first.units,
        "standard_name": variable.standard_name or "unknown",
    }  # fmt: skip
    return xr.DataArray(values.astype(np.float32), dims=dims, attrs=attrs)


def _coordinates(reply: Reply) -> dict[str, object]:
    hours = reply.layers[0].hours.astype("datetime64[s]").astype(np.int64)
    levels = sorted({x.level for x in reply.layers if x.level is not None}, reverse=True)
    coordinates: dict[str, object] = {
        "number": ((), np.int64(0), {"long_name": "ensemble member numerical id", "units": "1",
                                     "standard_name": "realization"}),
        "valid_time": ("valid_time", hours, {"long_name": "time", "standard_name": "time",
                                             "units": "seconds since 1970-01-01",
                                             "calendar": "proleptic_gregorian"}),
        "latitude": ("latitude", reply.latitude, {
            "units": "degrees_north", "standard_name": "latitude", "long_name": "latitude",
            "stored_direction": "decreasing"}),
        "longitude": ("longitude", reply.longitude, {
            "units": "degrees_east", "standard_name": "longitude", "long_name": "longitude"}),
    }  # fmt: skip
    if levels:
        coordinates["pressure_level"] = ("pressure_level", np.array(levels, dtype=np.float64), {
            "long_name": "pressure", "units": "hPa", "positive": "down",
            "stored_direction": "decreasing", "standard_name": "air_pressure"})  # fmt: skip
    return coordinates


def _with_expver_dimension(dataset: xr.Dataset, expver: np.ndarray) -> xr.Dataset:
    """Give each release its own place, empty where the hour is of the other one."""
    parts = []
    for release in _RELEASES:
        mask = xr.DataArray(expver == release, dims="valid_time")
        parts.append(dataset.where(mask))
    numbers = xr.DataArray(np.array(list(_RELEASES.values()), dtype=np.int64), dims="expver",
                           name="expver")  # fmt: skip
    stacked = xr.concat(parts, dim=numbers, join="exact", combine_attrs="override")
    fields = {name: stacked[name].transpose("valid_time", "expver", ...) for name in dataset}
    return stacked.assign(fields)


def _to_bytes(dataset: xr.Dataset) -> bytes:
    levels = " isobaricInhPa" if "pressure_level" in dataset.dims else ""
    for field in dataset.data_vars.values():
        field.encoding = {
            "zlib": True, "complevel": 1, "shuffle": True, "_FillValue": np.float32("nan"),
            "coordinates": f"number valid_time{levels} latitude longitude expver",
        }  # fmt: skip
    for axis in dataset.coords.values():
        axis.encoding["_FillValue"] = None
    return bytes(dataset.to_netcdf(engine="h5netcdf"))
