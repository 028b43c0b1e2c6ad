"""The one form of fields: names, dimensions, order of axes, units, experiment version."""

import numpy as np
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.variables import Variable, known_variables, variable_of_grib
from met2net.data.windows import hours_since_epoch
from pipelines.errors import DataError

__all__ = ["canonical", "same_units"]

_DIMENSION_NAMES = {
    "time": ("valid_time", "time"),
    "level": ("level", "pressure_level", "isobaricInhPa", "plev"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
}

# One spelling for each unit; keys without "**" and in lower case.
_UNIT_SPELLINGS = {
    "(0 - 1)": "1", "0-1": "1", "dimensionless": "1", "~": "1", "fraction": "1",
    "percent": "%", "kelvin": "K", "k": "K", "degk": "K", "pa": "Pa", "pascal": "Pa",
    "pascals": "Pa",
    "m/s": "m s-1", "kg/kg": "kg kg-1", "m2/s2": "m2 s-2", "j/m2": "J m-2", "j m-2": "J m-2",
    "meter": "m", "metre": "m", "meters": "m", "metres": "m",
}  # fmt: skip
_HECTOPASCAL = ("hpa", "millibars", "millibar", "mbar", "mb")
_FIRST_RELEASE = "0001"


def canonical(dataset: xr.Dataset, *, origin: str) -> xr.Dataset:
    """Bring fields of ERA5 into house form; variables that the table lacks are left out.

    Args:
        dataset: fields named by GRIB short names, CDS labels or CDS long names.
        origin: file or address, for messages.

    Returns:
        CDS long names, float32 in ERA5's units; dims `time[, level], latitude, longitude`,
        time and level [hPa] increasing, latitude decreasing, longitude increasing within
        [0, 360); coordinate `expver(time)`, four characters. Without variables if none is
        known.

    Raises:
        DataError: if units, dimensions, hours, axes or experiment versions are not ERA5's.
    """
    known = {str(name): v for name in dataset.data_vars if (v := _lookup(dataset[name]))}
    if not known:
        return xr.Dataset()
    dataset = _rename_dimensions(dataset[list(known)])
    dataset = _merge_releases(dataset, origin)
    usable = {
        name: v for name, v in known.items()
        if ("level" in dataset[name].dims) == (v.level_kind == "pressure")
    }  # fmt: skip
    expver = dataset["expver"]
    fields = {v.name: _field(dataset[name], v, origin) for name, v in usable.items()}
    if len(fields) < len(usable):
        raise DataError(f"{origin}: found {', '.join(usable)}; expected each variable once")
    result = xr.Dataset(fields)
    result = result.drop_vars([n for n in result.coords if n not in _DIMENSION_NAMES])
    result = result.assign_coords(expver=expver.variable)
    result.attrs = {k: v for k, v in dataset.attrs.items() if k == "GRIB_centre"}
    return _ordered(result, origin) if fields else xr.Dataset()


def same_units(found: str, expected: str) -> bool:
    """Tell whether two spellings mean the same unit, as `m s**-1` and `m s-1`."""
    return _plain_units(found) == _plain_units(expected)


def _plain_units(text: str) -> str:
    plain = text.replace("**", "").replace("^", "").strip()
    return _UNIT_SPELLINGS.get(plain.lower(), plain)


def _lookup(field: xr.DataArray) -> Variable | None:
    """Find a field's variable: by what GRIB called it, else by its name in the file."""
    by_grib_name = variable_of_grib(str(field.attrs.get("GRIB_shortName")))
    if by_grib_name is not None:
        return by_grib_name
    return next(
        (v for v in known_variables() if field.name in (v.grib_short_name, v.label, v.name)), None
    )


def _rename_dimensions(dataset: xr.Dataset) -> xr.Dataset:
    """Use the house's names of dimensions; a single hour or level becomes an axis."""
    for name, spellings in _DIMENSION_NAMES.items():
        found = next((s for s in spellings if s in dataset.dims), None)
        if found is None:
            found = next((s for s in spellings if s in dataset.coords), None)
            if found is not None and dataset[found].ndim == 0:
                dataset = dataset.expand_dims(found)
        if found is not None and found != name:
            dataset = dataset.drop_vars(name, errors="ignore").rename({found: name})
    for name in ("number", "step", "surface"):
        if dataset.sizes.get(name) == 1:
            dataset = dataset.squeeze(name, drop=True)
    return dataset


def _merge_releases(dataset: xr.Dataset, origin: str) -> xr.Dataset:
    """Give `expver(time)` whatever form it has: absent, scalar, an hour, or a dimension.

    As a dimension it holds final (1) and preliminary (5) fields; each hour has values in one.
    """
    if "time" not in dataset.dims:
        raise DataError(f"{origin}: found dimensions {tuple(dataset.dims)}; expected a time")
    size = dataset.sizes["time"]
    if "expver" not in dataset.dims:
        values = np.asarray(dataset.coords.get("expver", _FIRST_RELEASE))
        if values.size not in (1, size):
            raise DataError(f"{origin}: found {values.size} expver for {size} hours")
        text = np.array([_expver(x) for x in np.broadcast_to(values.ravel(), size)])
        return dataset.assign_coords(expver=("time", text))
    labels = [_expver(x) for x in np.atleast_1d(dataset["expver"].values)]
    parts = [dataset.isel(expver=i, drop=True) for i in range(len(labels))]
    present = np.stack([_hours_with_values(part) for part in parts])  # (expver, time)
    if np.any(present.sum(axis=0) != 1):
        hour = dataset["time"].values[present.sum(axis=0) != 1][0]
        raise DataError(
            f"{origin}: found values of {present.sum(axis=0).max()} experiment versions out of "
            f"{', '.join(labels)} around {hour}; expected one an hour"
        )
    merged = parts[0]
    for part, has_values in zip(parts[1:], present[1:], strict=True):
        mask = xr.DataArray(has_values, dims="time")
        merged = part.where(mask, merged)
    text = np.array(labels)[present.argmax(axis=0)]
    return merged.assign_coords(expver=("time", text)).assign_attrs(dataset.attrs)


def _hours_with_values(part: xr.Dataset) -> np.ndarray:
    """Tell for each hour whether any variable has any value."""
    finite = [field.notnull().any([d for d in field.dims if d != "time"]).values
              for field in part.data_vars.values()]  # fmt: skip
    found: np.ndarray = np.any(finite, axis=0)
    return found


def _expver(value: object) -> str:
    """Write an experiment version as four characters: 1 -> 0001."""
    text = value.decode() if isinstance(value, bytes) else str(value)
    return f"{int(float(text)):04d}" if text.replace(".", "").isdigit() else text.rjust(4, "0")


def _field(field: xr.DataArray, expected: Variable, origin: str) -> xr.DataArray:
    """Check one variable's units and dimensions; give it as float32 with CF attributes."""
    units = field.attrs.get("units")
    if units is None or not same_units(str(units), expected.units):
        raise DataError(
            f"{origin}: found {field.name} in {units or 'no units'!r}; expected "
            f"{expected.name} in {expected.units!r}"
        )
    level = ("level",) if expected.level_kind == "pressure" else ()
    dims = ("time", *level, "latitude", "longitude")
    if set(field.dims) != set(dims):
        raise DataError(f"{origin}: found {field.name} with dimensions {field.dims}; "
                        f"expected {dims}")  # fmt: skip
    result = field.transpose(*dims).astype(np.float32).rename(expected.name)
    result.attrs = expected.attrs
    result.encoding = {}
    return result


def _ordered(dataset: xr.Dataset, origin: str) -> xr.Dataset:
    """Sort all axes into house order and check them."""
    if "level" in dataset.dims:
        units = str(dataset["level"].attrs.get("units", "hPa"))
        if units.lower() not in _HECTOPASCAL:
            raise DataError(f"{origin}: found levels in {units!r}; expected 'hPa'")
        dataset = dataset.assign_coords(level=dataset["level"].values.astype(np.int64))
        dataset = _sorted(dataset, "level", origin)
        dataset["level"].attrs = {"units": "hPa", "long_name": "pressure", "positive": "down"}
    dataset = dataset.assign_coords(time=dataset["time"].values.astype("datetime64[ns]"))
    dataset = _sorted(dataset, "time", origin)
    try:
        hours_since_epoch(dataset["time"].values)
        dataset = _ordered_grid(dataset, origin)
        Grid.from_dataset(dataset)
    except ValueError as error:
        raise error if isinstance(error, DataError) else DataError(f"{origin}: {error}") from error
    return dataset


def _ordered_grid(dataset: xr.Dataset, origin: str) -> xr.Dataset:
    """Turn latitude to decreasing, and longitude into [0, 360)."""
    latitude = np.round(dataset["latitude"].values.astype(np.float64), 6)
    longitude = np.round(dataset["longitude"].values.astype(np.float64), 6) % 360.0
    dataset = dataset.assign_coords(latitude=latitude, longitude=longitude)
    dataset["latitude"].attrs = {"units": "degrees_north", "standard_name": "latitude"}
    dataset["longitude"].attrs = {"units": "degrees_east", "standard_name": "longitude"}
    if np.any(np.diff(latitude) > 0):
        dataset = dataset.sortby("latitude", ascending=False)
    if np.any(np.diff(longitude) < 0):
        dataset = dataset.sortby("longitude")
        gaps = np.diff(dataset["longitude"].values)
        if gaps.max() > 1.5 * np.median(gaps):
            raise DataError(
                f"{origin}: found a box across the Greenwich meridian, longitudes "
                f"{longitude[0]:g} to {longitude[-1]:g}; expected a box that does not wrap "
                "inside 0 to 360 (or the whole circle)"
            )
    return dataset


def _sorted(dataset: xr.Dataset, name: str, origin: str) -> xr.Dataset:
    """Sort along an axis whose values must differ."""
    values = dataset[name].values
    if np.any(values[1:] <= values[:-1]):
        dataset = dataset.sortby(name)
        values = dataset[name].values
        twice = values[1:][values[1:] == values[:-1]]
        if len(twice):
            raise DataError(f"{origin}: found {name} {twice[0]} twice; expected it once")
    return dataset
