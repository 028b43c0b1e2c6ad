"""The intervals that a netCDF file gives beside its times.

Source: CF conventions, section 7.1, "Cell boundaries".
"""

import numpy as np
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.times import time_dimension

__all__ = ["hours_between_bounds"]


def hours_between_bounds(dataset: xr.Dataset, *, origin: str) -> xr.DataArray | None:
    """Give the length of each field's interval [h] along time; None where a file gives none.

    Args:
        dataset: a whole file, decoded by xarray; the time's attribute `bounds` names a variable
            (time, 2) of moments.
        origin: file or address, for messages.

    Raises:
        DataError: if intervals do not end at their time: sums are kept at the end of their hour.
    """
    name = time_dimension(dataset)
    if name is None:
        return None
    time = dataset[name]
    bounds = dataset.variables.get(time.attrs.get("bounds", time.encoding.get("bounds")))
    if bounds is None or bounds.dims[:1] != (name,) or bounds.shape[1:] != (2,):
        return None
    if not np.issubdtype(bounds.dtype, np.datetime64):
        return None
    start, end = bounds.values.astype("datetime64[ns]").T
    late = end != time.values.astype("datetime64[ns]")
    if late.any():
        at = int(np.argmax(late))
        raise DataError(
            f"{origin}: found sums from {_minute(start[at])} to {_minute(end[at])} at "
            f"{_minute(time.values[at])}; expected them at the end of their interval"
        )
    return xr.DataArray((end - start) / np.timedelta64(1, "h"), dims=name)


def _minute(moment: np.datetime64) -> str:
    return str(moment.astype("datetime64[m]"))
