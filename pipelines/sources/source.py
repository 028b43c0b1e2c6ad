"""What every source of weather gives: one month of fields, in one form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import xarray as xr

from pipelines.period import Month

__all__ = ["MonthRequest", "RawMonth", "Source", "name_files"]

_NAMED_FILES = 3


@dataclass(frozen=True)
class MonthRequest:
    """What is wanted of one month.

    Attributes:
        month: the calendar month.
        hours: the wanted hours of it (all, or fewer where the period cuts the month).
        fields: CDS long name -> pressure levels [hPa] (empty for surface variables).
    """

    month: Month
    hours: np.ndarray
    fields: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class RawMonth:
    """One month as the source gives it, on the source's own grid.

    Attributes:
        dataset: CDS long names; dims `time[, level], latitude, longitude`, latitude
            decreasing, longitude increasing within [0, 360), level [hPa] increasing; float32
            in ERA5's units; coordinate `expver(time)` as four characters. May be lazy (Dask).
            Holds exactly the hours and fields of the request.
        manifest: plain JSON values: `source`, and `files`, a list of
            {name, size, sha256}, or what identifies a simulation.
    """

    dataset: xr.Dataset
    manifest: dict[str, Any]


class Source(Protocol):
    """A place weather comes from. Frozen dataclass; its fields are its settings."""

    @property
    def name(self) -> str:
        """Short name for folders and metadata, as `files`."""
        ...

    @property
    def attribution(self) -> str | None:
        """Sentence that must be shown with the data, or None."""
        ...

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        """Give one month, from the cache under `raw_folder` where it is there already.

        Raises:
            DataError: if the source does not have what is asked, or it is broken.
        """
        ...


def name_files(names: Sequence[str]) -> str:
    """Write files' names for a message; of many, the first few and how many more."""
    more = len(names) - _NAMED_FILES
    if more > 0:
        return f"{', '.join(names[:_NAMED_FILES])} and {more} more"
    return " and ".join(names)
