"""ERA5 fetched from the Copernicus Climate Data Store, month by month, several at once."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import xarray as xr

from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.formats.decode import decode
from pipelines.sources.cds.acquisition import Acquisition
from pipelines.sources.cds.credentials import read_credentials
from pipelines.sources.cds.disk_trouble import using_disk
from pipelines.sources.cds.manifest import Manifest
from pipelines.sources.cds.month_folder import open_month, series_folder
from pipelines.sources.cds.patience import Patience
from pipelines.sources.cds.request import Area, DataFormat, area_for
from pipelines.sources.cds.series_lock import lock_series
from pipelines.sources.cds.service import Service
from pipelines.sources.cds.static import STATIC_MONTH, kept_static, open_static
from pipelines.sources.files import COPERNICUS
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.sources.static_source import RawStatic

__all__ = ["Cds"]


@dataclass(frozen=True)
class Cds:
    """ERA5 hourly reanalysis, single levels and pressure levels, at 0.25 degree.

    What was received stays under the raw folder, unchanged, beside a manifest that tells how
    far every request got; a later run goes on from there and submits nothing twice. Address
    and key are those of `cdsapi`: CDSAPI_URL and CDSAPI_KEY, or `~/.cdsapirc`.

    Attributes:
        grid: the grid that the fields are wanted for; decides the area that is fetched.
        data_format: what the service is asked for: `grib` (stable, and cheapest there) or
            `netcdf`. Whatever comes is told by its content.
        max_in_flight: requests on the server, or being downloaded, at once.
        patience: deadlines and pauses.

    Raises:
        ValueError: if a setting is out of range.
    """

    grid: GridSettings = GridSettings()
    data_format: DataFormat = field(default="grib", compare=False)
    max_in_flight: int = field(default=4, compare=False)
    patience: Patience = field(default=Patience(), compare=False)
    _running: dict[Path, Acquisition] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.data_format not in ("grib", "netcdf"):
            raise ValueError(f"data_format is {self.data_format!r}; expected grib or netcdf")
        if not 1 <= self.max_in_flight <= 32:
            raise ValueError(f"max_in_flight is {self.max_in_flight}; expected 1 to 32")

    @property
    def name(self) -> str:
        """Short name for folders and metadata."""
        return "cds"

    @property
    def attribution(self) -> str | None:
        """Sentence of the Copernicus licence."""
        return COPERNICUS

    @property
    def area(self) -> Area | None:
        """Points that are fetched; None for the globe."""
        return area_for(self.grid)

    def series(self, raw_folder: Path, request: MonthRequest) -> Path:
        """Name the folder with all months of a request's fields."""
        return series_folder(raw_folder, area=self.area, fields=request.fields)

    def open_month(self, request: MonthRequest, raw_folder: Path) -> Manifest:
        """Give what is known of a month."""
        return open_month(
            self.series(raw_folder, request), request, area=self.area,
            data_format=self.data_format,
        )  # fmt: skip

    def fetch_static(self, names: Sequence[str], raw_folder: Path) -> dict[str, RawStatic]:
        """Give static fields; waits for them where they are not there yet.

        Raises:
            DataError: if they cannot be had; the message says why and what to do.
        """
        manifest = open_static(raw_folder, names, area=self.area, data_format=self.data_format)
        if not _is_complete(manifest):
            credentials = read_credentials()
            lock = lock_series(manifest.folder)
            # Only now: who held the lock may have gone on until a moment ago.
            manifest = open_static(raw_folder, names, area=self.area, data_format=self.data_format)
            acquisition = Acquisition(
                lambda: Service(credentials, self.patience), [(STATIC_MONTH, manifest)], lock=lock,
                patience=self.patience, max_in_flight=1,
            )  # fmt: skip
            try:
                acquisition.wait(STATIC_MONTH)
            finally:
                acquisition.close()
        with using_disk(manifest.folder):
            fields, files = kept_static(manifest, names)
        return {
            name: RawStatic(field, {"source": self.name, "files": files})
            for name, field in fields.items()
        }

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        """Give one month; waits for it where it is not there yet.

        Raises:
            DataError: if it cannot be had; the message says why and what to do.
        """
        series = self.series(raw_folder, request)
        if series in self._running:
            self._running[series].wait(request.month)
        else:
            with self.fetching([request], raw_folder):
                if series in self._running:
                    self._running[series].wait(request.month)
        with using_disk(series):
            # What was waited for is new enough, whatever the clock says meanwhile.
            kept = self.open_month(replace(request, received_after=None), raw_folder)
            return _raw_month(kept, request)

    @contextmanager
    def fetching(self, requests: Sequence[MonthRequest], raw_folder: Path) -> Iterator[None]:
        """Fetch months in the background while the block runs; `fetch` waits for its month.

        All requests must be for the same fields. A month that cannot be had does not stop the
        others: when the block ends with its error, they are brought to their end first.

        Raises:
            DataError: if another process fetches the same series, a manifest is damaged, or
                the raw folder cannot be used.
        """
        if all(_is_complete(self.open_month(r, raw_folder)) for r in requests):
            yield
            return
        credentials = read_credentials()
        series = self.series(raw_folder, requests[0])
        lock = lock_series(series)
        # Only now: who held the lock may have gone on until a moment ago.
        months = [(request.month, self.open_month(request, raw_folder)) for request in requests]
        acquisition = Acquisition(
            lambda: Service(credentials, self.patience), months, lock=lock,
            patience=self.patience, max_in_flight=self.max_in_flight,
        )  # fmt: skip
        self._running[series] = acquisition
        try:
            yield
        except DataError:
            acquisition.finish()
            raise
        finally:
            acquisition.close()
            del self._running[series]


def _is_complete(manifest: Manifest) -> bool:
    return all(part.state == "received" for part in manifest.parts)


def _raw_month(manifest: Manifest, request: MonthRequest) -> RawMonth:
    """Put the files of a month together."""
    parts, files = [], []
    if not _is_complete(manifest):
        raise DataError(
            f"{request.month}: found other hours being fetched than {request.hours[0]} to "
            f"{request.hours[-1]}; the archive has grown meanwhile: run again"
        )
    for path, file in manifest.received_files(what="month"):
        parts.append(decode(path))
        files.append(file)
    return RawMonth(_combined(parts, request), {"source": "cds", "files": files})


def _combined(parts: list[xr.Dataset], request: MonthRequest) -> xr.Dataset:
    """Put blocks of hours, levels and variables together; an hour is as preliminary as any."""
    latest = np.full(len(request.hours), "", dtype="<U4")
    for part in parts:
        place = np.searchsorted(request.hours, part["time"].values.astype(request.hours.dtype))
        expver = part["expver"].values
        latest[place] = np.where(expver > latest[place], expver, latest[place])
    bare = [part.drop_vars("expver") for part in parts]
    by_variable: dict[str, list[xr.DataArray]] = {}
    for part in bare:
        for name, array in part.data_vars.items():
            by_variable.setdefault(str(name), []).append(array)
    fields = {
        name: xr.combine_by_coords([a.to_dataset() for a in arrays], join="exact",
                                   combine_attrs="override")[name]
        for name, arrays in by_variable.items()
    }  # fmt: skip
    # Variables may be wanted on different levels: an axis with all of them serves each.
    dataset = xr.merge([fields[name] for name in request.fields], join="outer",
                       compat="override", combine_attrs="override")  # fmt: skip
    dataset.attrs = {}
    return dataset.assign_coords(expver=("time", latest))
