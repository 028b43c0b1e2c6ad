"""The range that a netCDF file gives for its own values: what lies outside has no value.

Source: NetCDF User's Guide, attribute conventions; CF conventions, 2.5.1. Of packed values the
attributes are packed, too.
"""

import numpy as np
import xarray as xr

from pipelines.errors import DataError

__all__ = ["within_valid_range"]


def within_valid_range(field: xr.DataArray, *, origin: str) -> xr.DataArray:
    """Blank values outside a field's `valid_min`, `valid_max` or `valid_range`.

    xarray reads over these attributes, where the netCDF library itself heeds them.

    Args:
        field: decoded by xarray, whose `encoding` says how it was packed.
        origin: file or address, for messages.

    Raises:
        DataError: if an attribute is no number, or no pair of numbers.
    """
    low, high = -np.inf, np.inf
    for name, count in (("valid_range", 2), ("valid_min", 1), ("valid_max", 1)):
        if name not in field.attrs:
            continue
        given = np.atleast_1d(np.asarray(field.attrs[name]))
        if given.dtype.kind not in "iuf" or given.shape != (count,):
            raise DataError(
                f"{origin}: found {field.name} with {name} {field.attrs[name]!r}; expected "
                f"{'a number' if count == 1 else 'two numbers'}"
            )
        if name != "valid_max":
            low = float(given[0])
        if name != "valid_min":
            high = float(given[-1])
    if (low, high) == (-np.inf, np.inf):
        return field
    factor, offset = (
        float(field.encoding.get(name, usual))
        for name, usual in (("scale_factor", 1), ("add_offset", 0))
    )
    ends = sorted([low * factor + offset, high * factor + offset])
    # Unpacked values are rounded: by half a step of the packing, or as float32 is.
    slack = (
        abs(factor) / 2 if "scale_factor" in field.encoding else 1e-6 * max(map(abs, _finite(ends)))
    )
    inside = (field >= ends[0] - slack) & (field <= ends[1] + slack)
    return field.where(inside | field.isnull()).assign_attrs(field.attrs)


def _finite(ends: list[float]) -> list[float]:
    return [end for end in ends if np.isfinite(end)]
