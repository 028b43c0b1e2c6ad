"""Compute variables that ERA5 does not have hourly from those that it has.

They are computed on the source's own grid, before regridding: neither is linear. The mean of
the wind speeds in a large cell is not the speed of the mean wind (opposite winds cancel in the
mean vector, not in the mean speed), and the humidity of mean temperature and dew point is not
the mean humidity. What is archived is the area mean of the wanted variable.

A variable with `derived_from` in the table is always computed, also where a source's files
happen to have it: then every month of an archive comes from the same formula.
"""

from collections.abc import Callable, Mapping

import numpy as np
import xarray as xr

from met2net.data.variables import variable
from pipelines.errors import DataError

__all__ = ["add_derived", "relative_humidity", "source_fields", "wind_speed"]

# Saturation over water. Source: ECMWF, IFS documentation CY41R2, part IV, equation 7.5, after
# Buck 1981, doi:10.1175/1520-0450(1981)020<1527:NEFCVP>2.0.CO;2.
_A3 = np.float32(17.502)
_A4 = np.float32(32.19)  # [K]
_T0 = np.float32(273.16)  # [K]


def source_fields(fields: Mapping[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
    """Give the fields to fetch for the wanted ones: derived names become their inputs.

    Args:
        fields: CDS long name -> pressure levels [hPa] (empty for surface variables).

    Returns:
        The same form, each name once, levels sorted.

    Raises:
        ValueError: if the table lacks a name.
    """
    wanted: dict[str, set[int]] = {}
    for name, levels in fields.items():
        for source in variable(name).derived_from or (name,):
            wanted.setdefault(source, set()).update(levels)
    return {name: tuple(sorted(levels)) for name, levels in wanted.items()}


def add_derived(dataset: xr.Dataset, fields: Mapping[str, tuple[int, ...]]) -> xr.Dataset:
    """Compute the derived variables among the wanted fields, lazily where the inputs are.

    Args:
        dataset: a raw month with `source_fields(fields)`, any grid; NumPy or Dask.
        fields: CDS long name -> pressure levels [hPa] of what is wanted.

    Returns:
        Exactly the wanted fields, in their order, float32 with the table's attributes where
        they were computed; inputs that were not asked for are gone. Coordinates along
        dimensions that remain are kept.

    Raises:
        DataError: if a field or an input is missing.
    """
    needed = source_fields(fields)
    missing = [name for name in needed if name not in dataset.data_vars]
    if missing:
        found = ", ".join(map(str, dataset.data_vars)) or "none"
        raise DataError(f"variables {', '.join(missing)} are missing; found: {found}")
    computed = {name: _derive(dataset, name) for name in fields if variable(name).derived_from}
    return dataset.assign(computed)[list(fields)]


def wind_speed(eastward: xr.DataArray, northward: xr.DataArray) -> xr.DataArray:
    """Give the speed of a wind of two components, in their units."""
    speed: xr.DataArray = xr.ufuncs.hypot(eastward, northward)
    return speed


def relative_humidity(temperature: xr.DataArray, dewpoint: xr.DataArray) -> xr.DataArray:
    """Give relative humidity [%] from temperature [K] and dew point [K], over water.

    ERA5's dew point at 2 m is defined over water at all temperatures, and so is this. It is
    another quantity than ERA5's `relative_humidity` on pressure levels, whose saturation is
    over water above 0 C, over ice below -23 C and mixed between: below freezing this one is
    lower (by a fifteenth at -10 C).

    Source: ECMWF, ERA5 documentation, "near surface humidity"; constants: IFS documentation
    CY41R2, part IV, equation 7.5.
    """
    exponent = _A3 * (
        (dewpoint - _T0) / (dewpoint - _A4) - (temperature - _T0) / (temperature - _A4)
    )
    humidity: xr.DataArray = xr.ufuncs.exp(exponent) * np.float32(100.0)
    return humidity


_FORMULAS: dict[str, Callable[[xr.DataArray, xr.DataArray], xr.DataArray]] = {
    "10m_wind_speed": wind_speed,
    "2m_relative_humidity": relative_humidity,
}


def _derive(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """Compute one variable from its inputs."""
    inputs = [dataset[source] for source in variable(name).derived_from]
    result = _FORMULAS[name](*inputs).astype(np.float32, copy=False)
    result.attrs = variable(name).attrs
    return result
