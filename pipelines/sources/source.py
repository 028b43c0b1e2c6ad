"""What every source of weather gives: one month of fields, in one form."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import xarray as xr

from pipelines.period import Month

__all__ = ["MonthRequest", "RawMonth", "RemoteSource", "Source", "fetching", "name_files"]

_NAMED_FILES = 3


@dataclass(frozen=True)
class MonthRequest:
    """What is wanted of one month.

    Attributes:
        month: the calendar month.
        hours: the wanted hours of it (all, or fewer where the period cuts the month).
        fields: CDS long name -> pressure levels [hPa] (empty for surface variables).
        received_after: a kept copy that was received before this moment (datetime64[s], UTC)
            is not good enough; None takes any.
        again: the archive holds the month and it is asked for anew: what is remembered about
            its files is not good enough, however little has changed about them.
    """

    month: Month
    hours: np.ndarray
    fields: Mapping[str, tuple[int, ...]]
    received_after: np.datetime64 | None = None
    again: bool = False


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


@runtime_checkable
class RemoteSource(Source, Protocol):
    """A source that answers slowly and can work on several months at once."""

    def fetching(
        self, requests: Sequence[MonthRequest], raw_folder: Path
    ) -> AbstractContextManager[None]:
        """Fetch months in the background while the block runs; `fetch` waits for its month."""
        ...


def fetching(
    source: Source, requests: Sequence[MonthRequest], raw_folder: Path
) -> AbstractContextManager[None]:
    """Let a source that can work ahead do so while the block runs; others do nothing."""
    if isinstance(source, RemoteSource):
        return source.fetching(requests, raw_folder)
    return nullcontext()


def name_files(names: Sequence[str]) -> str:
    """Write files' names for a message; of many, the first few and how many more."""
    more = len(names) - _NAMED_FILES
    if more > 0:
        return f"{', '.join(names[:_NAMED_FILES])} and {more} more"
    return " and ".join(names)
