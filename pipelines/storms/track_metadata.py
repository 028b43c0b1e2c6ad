"""What the variables of a storm's file are, for whoever opens it: CF names and long names."""

import re

import xarray as xr

from met2net.data.cf_metadata import COORDINATES, history_line

__all__ = ["with_track_names"]

_WHAT = {
    "latitude": "latitude of the centre",
    "longitude": "longitude of the centre",
    "pressure": "pressure at the centre",
    "wind": "strongest 10 m wind near the centre",
    "position_error": "distance of the forecast centre",
    "pressure_error": "error of the pressure at the centre",
    "wind_error": "error of the strongest wind",
    "count": "cases in which all models found the storm",
    "ended": "why the track goes no further",
}
_STANDARD = {
    "latitude": "latitude",
    "longitude": "longitude",
    "pressure": "air_pressure_at_mean_sea_level",
    "wind": "wind_speed",
}
_NAME = re.compile(r"(?P<mean>mean_)?(?P<of>analysis_|best_)?(?P<what>\w+)")


def with_track_names(tracks: xr.Dataset, *, title: str) -> xr.Dataset:
    """Give the tracks and errors of a storm with attributes for others; values as they are."""
    named = tracks.copy()
    for name in named.data_vars:
        match = _NAME.fullmatch(str(name))
        assert match is not None
        what, of = match["what"], (match["of"] or "").rstrip("_")
        told = _WHAT[what]
        if what.endswith("_error"):
            told += " from the best track" if of else " from the analysis"
        elif of:
            told += f", {of}{' track' if of == 'best' else ''}"
        named[name].attrs["long_name"] = f"mean {told}" if match["mean"] else told
        if what in _STANDARD:
            named[name].attrs["standard_name"] = _STANDARD[what]
    for name in named.coords:
        kind = "time" if name == "best_time" else str(name)
        named[name].attrs |= COORDINATES.get(kind, {"long_name": str(name)})
        named[name].encoding["_FillValue"] = None
    named.attrs = {"Conventions": "CF-1.11", "title": title, **named.attrs,
                   "history": history_line(title)}  # fmt: skip
    return named
