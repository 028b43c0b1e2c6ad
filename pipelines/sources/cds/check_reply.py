"""Is a file from the service what was asked for, whole and possible?"""

import zlib
from collections import Counter
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.static_fields import StaticField
from pipelines.errors import DataError, as_data_error
from pipelines.fields.verify_month import check_content, check_structure
from pipelines.formats.decode import decode
from pipelines.formats.left_out import because, left_out
from pipelines.formats.static_files import read_static_fields
from pipelines.sources.cds.request import STATIC_NAMES, CdsRequest
from pipelines.sources.cds.service_errors import NotReleased

__all__ = ["GLOBE", "check_reply"]

# What the libraries raise, depending on which byte of a file is wrong.
_OF_BROKEN_FILES = (
    ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError, zlib.error,
)  # fmt: skip

GLOBE = Grid(tuple(90 - 0.25 * np.arange(721)), tuple(0.25 * np.arange(1440)))
"""ERA5's grid on the service."""


def check_reply(path: Path, request: CdsRequest) -> dict[str, int]:
    """Decode all of a file and compare it with its request.

    Returns:
        Experiment version -> number of hours (`0001` final, `0005` preliminary).

    Raises:
        NotReleased: if hours at the end are not there: the service leaves out, without a word,
            what is not released.
        DataError: if hours, variables, levels or points are not those of the request, a value
            is missing or impossible, or the file is broken.
        OSError: if the disk cannot be read.
    """
    try:
        return _checked(path, request)
    except DataError:
        raise
    except OSError as error:
        if error.errno is not None and error.errno > 0:
            raise  # the disk's trouble, not the file's: the readers' own errors have no number
        raise DataError(f"the file is broken ({error}); expected a whole one") from error
    except _OF_BROKEN_FILES as error:
        raise DataError(f"the file is broken ({error}); expected a whole one") from error


def _checked(path: Path, request: CdsRequest) -> dict[str, int]:
    """Count the hours of each version in a file that is as it must be."""
    if request.level_kind == "static":
        _check_static(path, request)
        return {}  # of no hour
    dataset = decode(path)
    if not dataset.data_vars:
        raise DataError(
            f"the file has none of the known variables; expected {request}"
            + because(left_out(dataset))
        )
    _check_hours(dataset, request)
    check_structure(dataset, hours=request.times, fields=request.fields, grid=_grid(request))
    check_content(dataset.chunk(time=24), request.fields)  # a zip is in memory, unchunked
    return dict(sorted(Counter(dataset["expver"].values.astype(str).tolist()).items()))


def _check_static(path: Path, request: CdsRequest) -> None:
    """Compare static fields with their request; their values are looked at as those kept are."""
    names = [name for name, known_as in STATIC_NAMES.items() if known_as in request.variables]
    found = read_static_fields(path, names)
    if absent := [name for name in names if name not in found]:
        raise DataError(
            f"the file has {', '.join(found) or 'no static field'}; expected also "
            f"{', '.join(absent)}, of {request}"
        )
    for name, field in found.items():
        grid = Grid.from_dataset(field.to_dataset())
        if not grid.matches(_grid(request)):
            raise DataError(f"{name} is on {grid}; expected {_grid(request)}")
        with as_data_error():
            StaticField(name, grid, field.values.astype(np.float32))


def _check_hours(dataset: xr.Dataset, request: CdsRequest) -> None:
    """Tell hours that are not released yet from other disagreements."""
    found = dataset["time"].values.astype("datetime64[h]")
    missing = np.setdiff1d(request.times, found)
    if len(missing) and (len(found) == 0 or missing[0] > found[-1]):
        raise NotReleased(
            f"the service gave {len(found)} of {len(request.times)} hours of "
            f"{request.month}: those from {missing[0]} on are missing. ERA5 appears about 5 days "
            "after its time; run again later, or end the period earlier"
        )


def _grid(request: CdsRequest) -> Grid:
    """Give the points that the request asks for."""
    if request.area is None:
        return GLOBE
    return Grid(tuple(request.area.latitude), tuple(request.area.longitude))
