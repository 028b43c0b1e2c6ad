"""Which variable a field of a file or Dataset is: its name and its attributes must agree.

xarray keeps attributes through arithmetic, so that an anomaly, a climatology or a dew point
made from `t2m` still says `GRIB_shortName = 2t`, `long_name = 2 metre temperature`. One attribute
alone is no evidence: the name has to be that of the variable, and nothing may speak against it.
"""

import re

import numpy as np
import xarray as xr

from met2net.data.step_kind import other_kind
from met2net.data.variables import Variable, known_variables, variable_of_grib

__all__ = ["named_variable", "other_variable"]

_UNKNOWN = ("unknown", "undef", "~", "")

# Words of what is computed from a variable; its own name may have them ("mean sea level ...").
_DERIVED = re.compile(
    r"anomal|climatolog|spread|deviation|variance|difference|\bbias|\berror|percentile|quantile"
    r"|\btrend|tendency|maxim|minim|\bmax\b|\bmin\b|\bmedian"
    r"|\b(daily|monthly|annual|seasonal|ensemble|time|running|zonal)[ _-]?(mean|average)"
    r"|\b(mean|average) (daily|monthly|annual|seasonal)\b"
)
_CELL_METHOD = re.compile(r"((?:\w+: ?)+)(\w+)")
_CLIMATE = re.compile(r"\b(within|over) (hours|days|years)\b")
_INTERVAL = re.compile(r"\(.*?\binterval: *([\d.]+) *(\w+)")
_WITHIN_AN_HOUR = re.compile(r"(s|sec|second|min|minute|h|hr|hour)s?$", re.IGNORECASE)
_HOURS = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0}  # by first letter
_HEIGHT = re.compile(r"\b(\d+(?:\.\d+)?)[ -]?m(?:et(?:re|er)s?)?\b")
_HEIGHTS = ("height", "height_above_ground", "heightAboveGround")
_SPACE = {"area", "latitude", "longitude", "lat", "lon", "x", "y", "grid"}


def named_variable(field: xr.DataArray) -> Variable | None:
    """Give the variable that a field's name means; that of its GRIB name where it has none.

    `cfgrib` names fields by `GRIB_cfVarName`, which is taken for a name of the variable.
    """
    return _of_any_name(str(field.name)) or variable_of_grib(str(field.attrs.get("GRIB_shortName")))


def other_variable(field: xr.DataArray, table: Variable) -> str | None:
    """Say what in a field speaks against its being a variable; None where all agrees.

    Args:
        field: one field of a file, with its attributes and scalar coordinates.
        table: what `named_variable` gave.
    """
    for check in (_names, _standard_name, _long_names, _height, _cell_methods, _grib_kind):
        found = check(field, table)
        if found is not None:
            return f"{field.name} with {found}"
    return None


def _of_any_name(name: str) -> Variable | None:
    return next(
        (v for v in known_variables() if name in (v.grib_short_name, v.label, v.name)), None
    )


def _of_long_name(text: str, level_kind: str) -> Variable | None:
    return next(
        (
            v for v in known_variables()
            if v.level_kind == level_kind and v.long_name.lower() == text
        ),
        None,
    )  # fmt: skip


def _names(field: xr.DataArray, table: Variable) -> str | None:
    """Compare the field's name with what GRIB called it."""
    short = str(field.attrs.get("GRIB_shortName", ""))
    converted = str(field.attrs.get("GRIB_cfVarName", ""))
    own = (table.grib_short_name, table.label, table.name)
    if short not in (*_UNKNOWN, table.grib_short_name):
        return f"GRIB_shortName {short}; expected {table.grib_short_name}, as its name says"
    if str(field.name) not in (*own, converted):
        return (
            f"GRIB_shortName {short}; expected one of the names {', '.join(dict.fromkeys(own))} "
            "(attributes outlive arithmetic)"
        )
    meant = _of_any_name(converted)
    if meant is not None and meant != table:
        return f"GRIB_cfVarName {converted}; expected {table.label}, as its name says"
    return None


def _standard_name(field: xr.DataArray, table: Variable) -> str | None:
    """Refuse the CF standard name of another quantity, and names with a modifier."""
    name, _, modifier = str(field.attrs.get("standard_name", "")).strip().partition(" ")
    is_known = name != "" and any(name == known.standard_name for known in known_variables())
    if modifier or (is_known and name != table.standard_name):
        expected = table.standard_name or "none of another variable"
        return f"standard_name {field.attrs['standard_name']!r}; expected {expected}"
    return _derived("standard_name", name, table)


def _long_names(field: xr.DataArray, table: Variable) -> str | None:
    """Refuse what a text for people calls another variable, or computed from this one."""
    for key in ("long_name", "GRIB_name"):
        text = str(field.attrs.get(key, "")).strip().lower()
        plain = re.sub(r"\b(\d+) ?met(re|er)s?\b", r"\1m", text)
        meant = _of_long_name(plain, table.level_kind)
        if meant is not None and meant != table:
            return f"{key} {field.attrs[key]!r}; expected {table.long_name}, as its name says"
        found = _derived(key, text, table)
        if found is not None:
            return found
    return None


def _height(field: xr.DataArray, table: Variable) -> str | None:
    """Refuse another height above the ground than the name says, as 100 m for `u10`.

    A coordinate of one value says it (CF conventions, 5.7), or the text for people. xarray gives
    such a coordinate to all fields of a file; whose it is stands in the attribute `coordinates`,
    which it keeps in `encoding`.
    """
    own = _HEIGHT.search(table.long_name)
    if own is None:
        return None
    claimed = str(field.encoding.get("coordinates", field.attrs.get("coordinates", ""))).split()
    found = {
        f"{name} of {float(at):g} m": {float(at)}
        for name, at in field.coords.items()
        if name in claimed and _is_height(at)
    }
    for key in ("long_name", "GRIB_name"):
        text = str(field.attrs.get(key, ""))
        found[f"{key} {text!r}"] = {float(m[1]) for m in _HEIGHT.finditer(text.lower())}
    for said, heights in found.items():
        if heights and float(own[1]) not in heights:
            return f"{said}; expected {own[1]} m, as its name says"
    return None


def _is_height(coordinate: xr.DataArray) -> bool:
    """Tell whether a coordinate is a single height in metres."""
    attrs = coordinate.attrs
    return (
        coordinate.size == 1
        and coordinate.dtype.kind in "iuf"
        and str(attrs.get("standard_name", coordinate.name)) in _HEIGHTS
        and str(attrs.get("units", "m")) == "m"
    )


def _derived(key: str, text: str, table: Variable) -> str | None:
    word = _DERIVED.search(text.lower())
    if word is None or word[0] in table.long_name.lower():
        return None
    return f"{key} {text!r}; expected the variable itself"


def _cell_methods(field: xr.DataArray, table: Variable) -> str | None:
    """Refuse statistics in time, or over an ensemble. Source: CF conventions, 7.3."""
    text = re.sub(r"\([^)]*\)", "", str(field.attrs.get("cell_methods", "")))
    allowed = ("point", "sum") if table.step_type == "accum" else ("point",)
    spaced = _INTERVAL.search(str(field.attrs.get("cell_methods", "")))
    if table.step_type == "accum" and spaced is not None:
        # Data that stand further apart cannot be summed up over the hour before.
        unit = spaced[2].lower()
        if not _WITHIN_AN_HOUR.match(unit) or float(spaced[1]) * _HOURS[unit[0]] > 1:
            return f"cell_methods {field.attrs['cell_methods']!r}; expected an hour at most"
    for axes, method in _CELL_METHOD.findall(text):
        over = {axis.strip() for axis in axes.split(":") if axis.strip()}
        if not over <= _SPACE and (method not in allowed or _CLIMATE.search(text)):
            return f"cell_methods {text.strip()!r}; expected {' or '.join(allowed)} in time"
    return None


def _grib_kind(field: xr.DataArray, table: Variable) -> str | None:
    """Read what a converter kept of GRIB's step and type."""
    step_type, data_type = (field.attrs.get(f"GRIB_{key}") for key in ("stepType", "dataType"))
    return other_kind(
        table,
        step_type=None if step_type is None else str(step_type),
        data_type=None if data_type is None else str(data_type),
        member=_member(field),
    )


def _member(field: xr.DataArray) -> int | None:
    """Give the number of an ensemble's member, where a field is of a single one."""
    numbers = field.coords["number"].values if "number" in field.coords else np.array([])
    is_one = numbers.size == 1 and numbers.dtype.kind in "iuf" and np.isfinite(numbers).all()
    return int(numbers.item()) if is_one else None
