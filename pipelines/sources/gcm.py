"""Weather from a small general circulation model: for use without an account or network."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint, to_plain
from pipelines.period import Month
from pipelines.sources.gcm_simulation import LEVELS, SIMULATOR_VERSION, terrain
from pipelines.sources.settled_weather import LEAST_SHARE, is_settled, weather_activity
from pipelines.sources.simulated_days import simulate_days
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.sources.static_source import RawStatic, described_file

__all__ = ["EXPVER", "Gcm"]

_logger = logging.getLogger(__name__)

# ECMWF's experiment versions of ERA5 are 0001 and 0005; 0000 is none of them.
EXPVER = "0000"

_HOUR = np.timedelta64(1, "h")
_DAY = np.timedelta64(1, "D")


@dataclass(frozen=True)
class Gcm:
    """Hourly weather simulated by JAX-GCM: 48 x 96 points, the same for the same settings.

    It does not depend on the number of cores; see `pipelines.sources.repeatable_jax`.

    Months follow each other: a month that is not there yet is simulated from the end of the
    month before it, and that one first if need be. Every finished month is kept.

    Attributes:
        seed: draws the small disturbance that the weather grows from.
        start: first month that is simulated.
        spin_up_days: simulated before the first month and thrown away.
        levels: of the model's layers, those that are kept, as sigma x 1000 [hPa]; `level=950`
            is the layer at 95 % of the surface pressure, also over mountains.
        level_fields: variables that are kept on these layers.

    Raises:
        ValueError: if a setting is out of range.
    """

    seed: int = 0
    start: str = "2001-01"
    spin_up_days: int = 60
    levels: tuple[int, ...] = (835, 950)
    level_fields: tuple[str, ...] = ("relative_humidity", "geopotential")

    def __post_init__(self) -> None:
        """Check the settings."""
        object.__setattr__(self, "levels", tuple(sorted(self.levels)))
        object.__setattr__(self, "level_fields", tuple(self.level_fields))
        if not 0 <= self.seed < 2**31:
            raise ValueError(f"seed is {self.seed}; expected 0 to {2**31 - 1}")
        if self.spin_up_days < 1:
            raise ValueError(f"spin_up_days is {self.spin_up_days}; expected at least 1")
        if not self.levels or not set(self.levels) <= set(LEVELS):
            raise ValueError(f"levels are {self.levels}; expected some of {LEVELS}")
        unknown = set(self.level_fields) - set(_LEVEL_FIELDS)
        if unknown:
            raise ValueError(
                f"level_fields has {sorted(unknown)}; expected some of {_LEVEL_FIELDS}"
            )
        Month.parse(self.start)

    @property
    def name(self) -> str:
        """Short name for folders and metadata."""
        return "gcm"

    @property
    def attribution(self) -> str | None:
        """None: simulated weather belongs to whoever simulates it."""
        return None

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        """Give one month, simulated now where it is not there already.

        Raises:
            DataError: if the month lies before the start, a field is not simulated, the
                simulator is not installed, or a kept file is damaged.
        """
        self._check_request(request)
        folder = raw_folder / self.name / fingerprint(self, SIMULATOR_VERSION)
        for month in _months(Month.parse(self.start), request.month):
            if not _record_path(folder, month).exists():
                self._simulate_month(month, folder)
        record = _checked_record(folder, request.month)
        dataset = _open(folder / record["files"][0]["name"], request)
        manifest = {"source": self.name, "settings": to_plain(self), **record}
        return RawMonth(dataset, manifest)

    def fetch_static(self, names: Sequence[str], raw_folder: Path) -> dict[str, RawStatic]:
        """Give the ground of the simulation, out of the simulator's package.

        Raises:
            DataError: if the simulator is not installed.
        """
        del raw_folder
        manifest = {"source": self.name, "jcm": SIMULATOR_VERSION, "file": "t30/clim/terrain.nc"}
        return {name: RawStatic(field, manifest) for name, field in terrain(names).items()}

    def _check_request(self, request: MonthRequest) -> None:
        """Refuse what this simulation does not have, before it is started."""
        if request.month < Month.parse(self.start):
            raise DataError(
                f"the simulation starts with {self.start}, found a request for {request.month}; "
                "expected a month from there on (set start)"
            )
        for name, levels in request.fields.items():
            if name not in (*_SURFACE_FIELDS, *self.level_fields):
                raise DataError(
                    f"found a request for {name}; expected what the simulation keeps: "
                    f"{', '.join((*_SURFACE_FIELDS, *self.level_fields))}"
                )
            if not set(levels) <= set(self.levels):
                raise DataError(
                    f"found a request for {name} on levels {levels}; expected some of "
                    f"{self.levels} (set levels; the model has {LEVELS})"
                )

    def _simulate_month(self, month: Month, folder: Path) -> None:
        """Simulate one month from the state before it, and keep its fields and its end."""
        folder.mkdir(parents=True, exist_ok=True)
        first = Month.parse(self.start).first_hour
        # The state of hour 23 is the last of a day, so a month's first field is its hour 00.
        clock = first - self.spin_up_days * _DAY - _HOUR
        before = _state_path(folder, _preceding(month))
        if month == Month.parse(self.start):
            before = folder / "spin-up.state"
            if not before.exists():
                simulate_days(self.spin_up_days, clock=clock, before=self.seed, state=before)
        fields = folder / f"{month}.nc"
        state = _state_path(folder, month)
        simulate_days(len(month.hours()) // 24, clock=clock, before=before, state=state,
                      fields=fields, keep=self._keep)  # fmt: skip
        self._tell_whether_settled(month, fields)
        record = {
            "jcm": SIMULATOR_VERSION,
            "month": str(month),
            "files": [described_file(fields), described_file(state)],
        }
        write_text(_record_path(folder, month), json.dumps(record))

    def _tell_whether_settled(self, month: Month, fields: Path) -> None:
        """Warn where the weather of a month still wakes up."""
        with xr.open_dataset(fields, engine="netcdf4") as weather:
            thirds = weather_activity(weather)
        if not is_settled(thirds):
            _logger.warning(
                "the simulated weather of %s is not settled: eddies have %.1f m2 s-2 in its first "
                "third and %.1f in its last, the wind changes by %.2f and by %.2f m/s a day; "
                "expected the first to be at least %.0f %% of the last: spin_up_days is %d, 60 or "
                "more are enough",
                month, thirds[0].eddy_energy, thirds[-1].eddy_energy, thirds[0].daily_change,
                thirds[-1].daily_change, 100 * LEAST_SHARE, self.spin_up_days,
            )  # fmt: skip

    def _keep(self, day: xr.Dataset) -> xr.Dataset:
        """Choose the fields that are kept."""
        return day[[*_SURFACE_FIELDS, *self.level_fields]].sel(level=list(self.levels))


_SURFACE_FIELDS = (
    "10m_u_component_of_wind", "10m_v_component_of_wind", "2m_temperature", "total_cloud_cover",
    "surface_pressure", "total_precipitation",
)  # fmt: skip
_LEVEL_FIELDS = (
    "relative_humidity", "geopotential", "temperature", "u_component_of_wind",
    "v_component_of_wind", "specific_humidity",
)  # fmt: skip


def _open(path: Path, request: MonthRequest) -> xr.Dataset:
    """Open the wanted hours and fields of a month, lazily."""
    stored = xr.open_dataset(path, engine="netcdf4", chunks={"time": 24})
    time = stored["time"].values.astype("datetime64[h]")
    missing = np.setdiff1d(request.hours, time)
    if len(missing):
        raise DataError(f"{path}: found no hour {missing[0]}; expected all of {request.month}")
    stored = stored.isel(time=np.isin(time, request.hours))
    dataset = stored[list(request.fields)]
    levels = sorted({level for wanted in request.fields.values() for level in wanted})
    if levels:  # one axis for all variables; every variable has all levels
        dataset = dataset.sel(level=levels)
    return dataset.assign_coords(expver=("time", np.full(dataset.sizes["time"], EXPVER)))


def _checked_record(folder: Path, month: Month) -> dict[str, Any]:
    """Read the record of a finished month; its files must be as they were written."""
    record = json.loads(_record_path(folder, month).read_text())
    for file in record["files"]:
        path = folder / file["name"]
        found = described_file(path) if path.exists() else None
        if found != file:
            raise DataError(
                f"{path}: found {found or 'no file'}; expected {file} (remove the folder "
                f"{folder} to simulate again)"
            )
    return dict(record)


def _record_path(folder: Path, month: Month) -> Path:
    """A month's record, written last: the month is there once its record is."""
    return folder / f"{month}.json"


def _state_path(folder: Path, month: Month) -> Path:
    """The model's state at the end of a month."""
    return folder / f"{month}.state"


def _months(first: Month, last: Month) -> list[Month]:
    """All months from the first to the last."""
    months = [first]
    while months[-1] < last:
        months.append(months[-1].following())
    return months


def _preceding(month: Month) -> Month:
    """The calendar month before."""
    return Month.of(month.first_hour - _HOUR)
