"""What other programs look for in our files: axes, heights, levels, bounds and cell methods.

Source: CF conventions 1.11, https://cfconventions.org: chapters 4 (coordinates), 5.7 (scalar
coordinates), 7.1 (bounds) and 7.3 (cell methods); 2.5.1 (no missing values of coordinates).
"""

import re
from datetime import UTC, datetime

import numpy as np
import xarray as xr

import met2net
from met2net.data.variables import Variable, channel, is_channel, variable

__all__ = ["COORDINATES", "history_line", "with_cf_metadata", "with_names"]

_UTC = {"units_metadata": "leap_seconds: none"}
COORDINATES: dict[str, dict[str, str]] = {
    "time": {"standard_name": "time", "axis": "T", **_UTC},
    "init_time": {
        "standard_name": "forecast_reference_time", "long_name": "last observed hour", **_UTC,
    },
    "lead_time": {
        "standard_name": "forecast_period", "long_name": "hours after the last observed one",
    },
    # The axis T of a forecast: what a field is of, over two dimensions (CF 4 allows that).
    "valid_time": {
        "standard_name": "time", "long_name": "hour that the forecast is for", "axis": "T", **_UTC,
    },
    "latitude": {"standard_name": "latitude", "units": "degrees_north", "axis": "Y"},
    "longitude": {"standard_name": "longitude", "units": "degrees_east", "axis": "X"},
    "level": {"standard_name": "air_pressure", "units": "hPa", "positive": "down", "axis": "Z"},
}  # fmt: skip
"""Name of an axis, or of the valid time -> its CF attributes."""

_HEIGHT = {"standard_name": "height", "units": "m", "positive": "up", "axis": "Z"}
_METHODS = {"instant": "point", "accum": "sum"}
_CELL = "bnds"
_COUNTED = ("units", "calendar", "dtype")


def history_line(text: str) -> str:
    """Write a line of the attribute `history`: when, by which program, what was done."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} met2net {met2net.__version__}: {text}"


def with_names(dataset: xr.Dataset) -> xr.Dataset:
    """Give every variable a name for people, axes their CF attributes and no fill value.

    What is named already stays as it is.
    """
    named = dataset.copy()
    bounds = {array.attrs.get("bounds") for array in named.variables.values()}
    for name, array in named.variables.items():
        if name in bounds:  # named by what they are the bounds of
            continue
        attrs = COORDINATES.get(str(name), {}) if name in named.coords else {}
        named[name].attrs = {**attrs, **array.attrs}
        if not {"long_name", "standard_name"} & set(named[name].attrs):
            named[name].attrs["long_name"] = str(name).replace("_", " ")
    for name in named.coords:
        named[name].encoding.setdefault("_FillValue", None)
    return named


def with_cf_metadata(dataset: xr.Dataset, *, history: str | None = None) -> xr.Dataset:
    """Give fields as they are written for others; values stay the same and are not copied.

    Args:
        dataset: variables by CDS long name or channel label, over any of `COORDINATES`.
        history: what made it; put before the history that it has.

    Returns:
        The fields with attributes of their axes; `height_<n>m` [m] and `level_<n>` [hPa] as
        scalar coordinates of variables at one height or level; cell methods; for sums over the
        hour before, `time_bounds` or `lead_time_bounds`; and an encoding that gives no
        coordinate a fill value and each variable its own coordinates alone.
    """
    named = dataset.copy()
    for name in named.coords:
        named[name].attrs = {**named[name].attrs, **COORDINATES.get(str(name), {})}
    own: dict[str, list[str]] = {}
    has_sums = False
    axis = "lead_time" if "lead_time" in dataset.dims else "time"
    for name in dataset.data_vars:
        described = _described(str(name))
        if described is None:
            continue
        quantity, level = described
        has_sums |= quantity.step_type == "accum"
        named[name].attrs["cell_methods"] = f"{axis}: {_METHODS[quantity.step_type]}"
        if quantity.units == "K":
            named[name].attrs["units_metadata"] = "temperature: on_scale"
        scalars = _scalars(quantity, level)
        named = named.assign_coords(scalars)
        own[str(name)] = list(scalars)
    if has_sums:
        named = _with_bounds(named, axis)
    named.attrs.setdefault("Conventions", "CF-1.11")
    if history is not None:
        lines = [history_line(history), str(dataset.attrs.get("history", ""))]
        named.attrs["history"] = "\n".join(line for line in lines if line)
    return _encoded(named, own)


def _described(name: str) -> tuple[Variable, int | None] | None:
    """Give a variable of weather, and its level where the name is that of one level."""
    if is_channel(name):
        parsed = channel(name)
        return parsed.variable, parsed.level
    try:
        return variable(name), None
    except ValueError:
        return None


def _scalars(quantity: Variable, level: int | None) -> dict[str, xr.Variable]:
    """Give the scalar coordinate of a variable that has one, by name."""
    if level is not None:
        return {f"level_{level}": xr.Variable((), float(level), COORDINATES["level"])}
    height = re.match(r"(\d+)m_", quantity.name) if quantity.level_kind == "surface" else None
    if height is None:
        return {}
    return {f"height_{height[1]}m": xr.Variable((), float(height[1]), _HEIGHT)}


def _with_bounds(dataset: xr.Dataset, axis: str) -> xr.Dataset:
    """Say over which hour sums are: the one that ends at the time."""
    end = dataset[axis].variable
    # A store that grows holds its times as CF numbers: hours.
    hour = np.timedelta64(1, "h") if end.dtype.kind in "mM" else 1
    values = np.stack([end.values - hour, end.values], axis=-1)
    # xarray sees to it that both count from one moment in netCDF, but not in Zarr.
    counted = {key: end.encoding[key] for key in _COUNTED if key in end.encoding}
    attrs = {key: end.attrs[key] for key in _COUNTED if key in end.attrs}
    name = f"{axis}_bounds"
    dataset = dataset.assign({name: xr.Variable((axis, _CELL), values, attrs, counted)})
    dataset[axis].attrs["bounds"] = name
    return dataset


def _encoded(dataset: xr.Dataset, own: dict[str, list[str]]) -> xr.Dataset:
    """Set what xarray would otherwise choose by itself."""
    scalars = {name for names in own.values() for name in names}
    bounds = {str(v.attrs["bounds"]) for v in dataset.coords.values() if "bounds" in v.attrs}
    for name in (*dataset.coords, *(bounds & set(map(str, dataset.data_vars)))):
        dataset[name].encoding["_FillValue"] = None
        dataset[name].encoding["coordinates"] = None
    for name, array in dataset.data_vars.items():
        if name in bounds:
            continue
        shared = [
            str(c)
            for c in dataset.coords
            if c not in dataset.dims
            and c not in scalars
            and set(dataset[c].dims) <= set(array.dims)
        ]
        mine = sorted([*shared, *own.get(str(name), [])])
        dataset[name].attrs.pop("coordinates", None)
        dataset[name].encoding["coordinates"] = " ".join(mine) or None
    return dataset
