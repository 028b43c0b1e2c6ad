"""ERA5 from ARCO-ERA5, a public Zarr store that needs no account."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from met2net.data.variables import known_variables
from pipelines.errors import DataError
from pipelines.formats.canonical import canonical
from pipelines.formats.left_out import because, left_out
from pipelines.formats.static_files import canonical_static
from pipelines.period import Period
from pipelines.sources.files import COPERNICUS
from pipelines.sources.remote_array import lazy_field, network_errors
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.sources.static_source import RawStatic

__all__ = ["Arco"]

_PUBLIC = (
    "https://storage.googleapis.com/gcp-public-data-arco-era5/ar/full_37-1h-0p25deg-chunk-1.zarr-v3"
)

_STATIC_NAMES = {"orography": "geopotential_at_surface", "land_sea_mask": "land_sea_mask"}

# Packages that fsspec needs for an address, and does not bring.
_PACKAGES = {"gs": "gcsfs", "gcs": "gcsfs", "http": "aiohttp", "https": "aiohttp", "s3": "s3fs"}


@dataclass(frozen=True)
class Arco:
    """The whole of ERA5 as Zarr: hourly, 0.25 degree, 37 levels.

    Nothing is kept under the raw folder: the store itself is the raw data. One chunk there is
    one hour of the whole globe, about 4 MB unpacked for a surface variable and 154 MB for one
    on levels (all 37 of them), whatever box and levels are wanted; each is read once.

    Attributes:
        url: of the store: `https://`, or `gs://` (without an account either; needs the package
            gcsfs), or a folder with a copy. Its metadata must be consolidated, as ARCO's are.
        attribution: sentence that must be shown with the data.

    Source: Carver and Merose 2023, ARCO-ERA5, https://github.com/google-research/arco-era5.
    """

    url: str = _PUBLIC
    attribution: str | None = COPERNICUS

    @property
    def name(self) -> str:
        """Short name for folders and metadata."""
        return "arco"

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        """Give one month, lazily: values are read when they are computed.

        The manifest names the store and the experiment version of the hours, so that a month
        is another one when it has become final, and the same one otherwise.

        Raises:
            DataError: if the store cannot be opened or is not ARCO's, or lacks an hour, a
                variable or a level; also later, if values cannot be read.
        """
        store = _open(self.url)
        expver = _releases(store.attrs, request, self.url)
        dataset = canonical(_chosen(store, request, self.url), origin=self.url)
        if absent := [name for name in request.fields if name not in dataset]:
            reasons = because(left_out(dataset))
            raise DataError(f"{self.url}: found no {', '.join(absent)}; expected all{reasons}")
        dataset = dataset[list(request.fields)].drop_attrs(deep=False)
        manifest = {"source": self.name, "url": self.url, "releases": _runs(request.hours, expver)}
        return RawMonth(dataset.assign_coords(expver=("time", expver)), manifest)

    def fetch_static(self, names: Sequence[str], raw_folder: Path) -> dict[str, RawStatic]:
        """Give static fields as they stand at the first valid hour.

        Raises:
            DataError: if the store cannot be opened or read, is not ARCO's, or lacks one.
        """
        del raw_folder
        store = _open(self.url)
        found = {name: _first_frame(store, name, self.url) for name in names}
        return {
            name: RawStatic(field, {"source": self.name, "url": self.url, "hour": hour})
            for name, (field, hour) in found.items()
        }


def _first_frame(store: xr.Dataset, name: str, url: str) -> tuple[xr.DataArray, str]:
    """Read a static field, which stands at every hour, at the first valid one; say which."""
    known_as = _STATIC_NAMES[name]
    if known_as not in store.data_vars:
        raise DataError(
            f"{url}: found no {known_as} among {len(store.data_vars)} variables; expected it, "
            f"for {name}"
        )
    hour = _valid_periods(store.attrs, url)[0].first
    place = store.indexes["time"].get_indexer([hour.astype("datetime64[ns]")])
    if place[0] < 0:
        raise DataError(f"{url}: found a time axis without {hour}; expected it to begin there")
    frame = lazy_field(store[known_as].isel(time=place), origin=url)
    fields = canonical_static(frame.to_dataset(), [name], origin=url)
    return fields[name], str(hour)


def _open(url: str) -> xr.Dataset:
    """Open a store's metadata and axes; nothing else is read."""
    scheme = url.partition("://")[0] if "://" in url else ""
    try:
        return xr.open_dataset(
            url, engine="zarr", chunks=None, cache=False, consolidated=True,
            decode_timedelta=False,
            storage_options={"token": "anon"} if scheme in ("gs", "gcs") else None,
        )  # fmt: skip
    except ImportError as error:
        package = _PACKAGES.get(scheme, "the package named here")
        other = ", or give an https:// address, which needs none" if package == "gcsfs" else ""
        raise DataError(
            f"{url}: found no package for {scheme}:// addresses ({error}); expected it: "
            f"pip install {package}{other}"
        ) from error
    except network_errors() + (ValueError,) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise DataError(
            f"{url}: cannot be opened ({reason}); expected a Zarr store with consolidated "
            "metadata, and a network that reaches it"
        ) from error


def _releases(attrs: Mapping[str, Any], request: MonthRequest, url: str) -> np.ndarray:
    """Give each wanted hour's experiment version; refuse hours outside the valid ones.

    The time axis is laid out from 1900 on and holds no values outside these.
    """
    final, valid = _valid_periods(attrs, url)
    outside = request.hours[~valid.contains(request.hours)]
    if len(outside):
        raise DataError(
            f"{url}: found hours {valid} ({_preliminary(final, valid)}); expected "
            f"{request.hours[0]} to {request.hours[-1]} of {request.month}, of which "
            f"{len(outside)} are not there, the first {outside[0]}"
        )
    return np.where(final.contains(request.hours), "0001", "0005")


def _valid_periods(attrs: Mapping[str, Any], url: str) -> tuple[Period, Period]:
    """Read the period of final hours, and that of all hours; dates stand for whole days."""
    try:
        start, stop = str(attrs["valid_time_start"]), str(attrs["valid_time_stop"])
        final = Period(start, stop)
        valid = Period(start, str(attrs.get("valid_time_stop_era5t", stop)))
    except (KeyError, ValueError) as error:
        raise DataError(
            f"{url}: found no usable valid_time_start and valid_time_stop ({error}); expected "
            "dates in these attributes, as ARCO-ERA5 has them"
        ) from error
    return final, valid if valid.last > final.last else final


def _preliminary(final: Period, valid: Period) -> str:
    return "all final" if final.last == valid.last else f"final to {final.last}"


def _chosen(store: xr.Dataset, request: MonthRequest, url: str) -> xr.Dataset:
    """Choose variables, hours and levels; refuse what the store lacks."""
    absent = [name for name in request.fields if name not in store.data_vars]
    if absent:
        held = ", ".join(v.name for v in known_variables() if v.name in store.data_vars)
        raise DataError(
            f"{url}: found no {', '.join(absent)} among {len(store.data_vars)} variables; "
            f"expected all that are asked for (of those known here it has {held or 'none'})"
        )
    dataset = store[list(request.fields)]
    levels = sorted({level for wanted in request.fields.values() for level in wanted})
    if levels:
        found = dataset["level"].values.tolist() if "level" in dataset.dims else []
        if not set(levels) <= set(found):
            raise DataError(f"{url}: found levels {found}; expected {levels} hPa among them")
        dataset = dataset.sel(level=levels)
    hours = request.hours.astype("datetime64[ns]")
    place = dataset.indexes["time"].get_indexer(hours)
    steps = np.unique(np.diff(place))
    if np.any(place < 0) or np.any(steps < 1):
        raise DataError(
            f"{url}: found a time axis without some hours from {request.hours[0]} to "
            f"{request.hours[-1]}; expected every hour, in order"
        )
    is_even = len(steps) == 1  # a slice, then: no list of places is carried along
    dataset = dataset.isel(time=slice(place[0], place[-1] + 1, steps[0]) if is_even else place)
    return dataset.map(lambda field: lazy_field(field, origin=url))


def _runs(hours: np.ndarray, expver: np.ndarray) -> list[list[str]]:
    """Shorten hours to runs of one experiment version: first, last, version."""
    starts = np.flatnonzero(np.r_[True, expver[1:] != expver[:-1]])
    ends = np.r_[starts[1:], len(hours)] - 1
    return [
        [str(hours[a]), str(hours[b]), str(expver[a])] for a, b in zip(starts, ends, strict=True)
    ]
