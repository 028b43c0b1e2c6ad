"""Find numbers of another unit than said that the limits of their variable do not exclude."""

import dask
import numpy as np
import xarray as xr

from pipelines.fields.verify_month import HourlyContent

__all__ = ["find_other_unit"]

_GRAVITY = 9.80665  # [m s-2]
_DRIZZLE, _TORRENT = 1e-4, 1e-2  # [m] in an hour
_FEWEST_WET = 24
_SHARE_OF_TORRENTS = 0.5  # of wet points and hours; weather has a few hundredths
_SOLAR_CONSTANT = 1500.0  # [W m-2], with room; an hour of sun is 3600 s of it
_WHOLE_HUMIDITY = 1.2  # a fraction's largest value, in place of 100 %
_DRY_ALOFT = 300  # [hPa]; above, a few percent are usual
_LOW_LEVEL = 700  # [hPa]; below, heights may be around 0
_HEIGHT_FACTOR = 4.0  # a height [m] is a geopotential [m2 s-2] / 9.8


def find_other_unit(array: xr.DataArray, content: HourlyContent) -> str | None:
    """Say what in a month's numbers is of another unit; None where nothing is.

    Args:
        array: dims time, latitude, longitude, in the table's units; scalar `level` [hPa] if its
            variable has levels.
        content: extremes and means of its hours.
    """
    level = int(array["level"]) if "level" in array.coords else None
    if array.name == "total_precipitation":
        return _millimetres(array, content)
    if array.name == "toa_incident_solar_radiation":
        highest = float(np.nanmax(content.highest))
        if 0 < highest <= _SOLAR_CONSTANT:
            return f"is {highest:g} J m-2 at most; expected 1e5 and more by day (W m-2?)"
    if array.name == "relative_humidity" and level is not None and level >= _DRY_ALOFT:
        highest = float(np.nanmax(content.highest))
        if 0 < highest <= _WHOLE_HUMIDITY:
            return f"is {highest:g} % at most; expected up to 100 (a fraction?)"
    if array.name == "geopotential" and level is not None and level <= _LOW_LEVEL:
        mean, usual = float(np.nanmean(content.mean)), _standard_geopotential(level)
        if not usual / _HEIGHT_FACTOR < mean < usual * _HEIGHT_FACTOR:
            return f"is {mean:.0f} m2 s-2 on average; expected around {usual:.0f} (metres?)"
    return None


def _millimetres(array: xr.DataArray, content: HourlyContent) -> str | None:
    """Find rain that is a torrent nearly whenever it rains: millimetres that are called metres."""
    if not np.nanmax(content.highest) > _TORRENT:
        return None
    wet, torrents = dask.compute((array.data > _DRIZZLE).sum(), (array.data > _TORRENT).sum())
    if wet < _FEWEST_WET or torrents < _SHARE_OF_TORRENTS * wet:
        return None
    return (
        f"is over {1e3 * _TORRENT:g} mm in an hour at {100 * torrents / wet:.0f} % of the points "
        "and hours with rain; expected a few percent (millimetres that are called metres?)"
    )


def _standard_geopotential(level: int) -> float:
    """Give the geopotential of a level in the ICAO standard atmosphere [m2 s-2].

    Source: ICAO, Manual of the ICAO Standard Atmosphere, Doc 7488.
    """
    if level >= 226.32:
        height = 44_330.8 * (1 - (level / 1013.25) ** 0.190263)
    else:
        height = 11_000 + 6_341.6 * float(np.log(226.32 / level))
    return float(_GRAVITY * height)
