"""Small, seeded data with true coordinates and units, shared by tests."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.grid import Grid, equiangular
from met2net.data.variables import variable
from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.sources.source import MonthRequest, RawMonth

SMALL_GRID = Grid((25.0, 24.0, 23.0), (110.0, 111.0, 112.0, 113.0))
GLOBAL_GRID = equiangular(30.0)
FIELDS: Mapping[str, tuple[int, ...]] = {
    "2m_temperature": (),
    "10m_u_component_of_wind": (),
    "relative_humidity": (850, 1000),
}
_TYPICAL = {  # mean and spread in ERA5's units
    "2m_temperature": (285.0, 8.0),
    "10m_u_component_of_wind": (1.0, 5.0),
    "10m_v_component_of_wind": (-1.0, 5.0),
    "mean_sea_level_pressure": (101_300.0, 500.0),
    "total_cloud_cover": (0.5, 0.1),
    "relative_humidity": (60.0, 10.0),
    "sea_surface_temperature": (290.0, 3.0),
    "total_precipitation": (5e-4, 5e-5),
    "geopotential": (55_000.0, 500.0),
}


def make_month(
    hours: np.ndarray,
    *,
    fields: Mapping[str, tuple[int, ...]] = FIELDS,
    grid: Grid = SMALL_GRID,
    seed: int = 0,
    expver: str = "0001",
) -> xr.Dataset:
    """Make fields as a source gives them: a daily cycle, a slow wave and noise.

    The weather of an hour depends on the hour and the seed alone, so that months made
    apart join without a jump.
    """
    levels = tuple(sorted({level for wanted in fields.values() for level in wanted}))
    count = hours.astype("datetime64[h]").astype(np.int64)
    x, y = (np.deg2rad(np.asarray(axis)) for axis in (grid.longitude, grid.latitude))
    variables = {}
    for number, name in enumerate(fields):
        mean, spread = _TYPICAL[name]
        day = np.sin(2 * np.pi * count / 24 + number)[:, None, None]
        wave = np.sin(3 * x - 2 * np.pi * count[:, None, None] / 90 + seed) * np.cos(y)[:, None]
        noise = np.stack(
            [np.random.default_rng([seed, number, int(c)]).normal(size=grid.shape) for c in count]
        )
        field = mean + spread * (0.6 * day + wave + 0.2 * noise)
        dims = ("time", "latitude", "longitude")
        if fields[name]:
            field = np.stack([field - 2.0 * i for i in range(len(levels))], axis=1)
            dims = ("time", "level", "latitude", "longitude")
        variables[name] = (dims, field.astype(np.float32), variable(name).attrs)
    coords = {
        "time": hours.astype("datetime64[ns]"),
        "expver": ("time", np.full(len(hours), expver)),
        "latitude": ("latitude", np.array(grid.latitude), {"units": "degrees_north"}),
        "longitude": ("longitude", np.array(grid.longitude), {"units": "degrees_east"}),
    }
    if levels:
        coords["level"] = ("level", np.array(levels), {"units": "hPa"})
    return xr.Dataset(variables, coords=coords)


@dataclass(frozen=True)
class FakeSource:
    """A source that makes its weather up; every fetched month leaves an empty file.

    Attributes:
        seed: another seed, other weather.
        grid: the source's grid.
        expver: version of the data; other versions are other files.
    """

    seed: int = 0
    grid: Grid = SMALL_GRID
    expver: str = "0001"

    @property
    def name(self) -> str:
        return "fake"

    @property
    def attribution(self) -> str | None:
        return "Contains made-up weather."

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        if request.month.year > 2100:
            raise DataError(f"the fake source ends in 2100; found {request.month}")
        raw_folder.mkdir(parents=True, exist_ok=True)
        number = len(list(raw_folder.iterdir()))
        (raw_folder / f"{number:04d}-{request.month}").touch()
        dataset = make_month(
            request.hours, fields=request.fields, grid=self.grid, seed=self.seed, expver=self.expver
        )
        content = hashlib.sha256(self.expver.encode())
        for array in dataset.data_vars.values():
            content.update(array.values.tobytes())
        name = f"{request.month}.nc"
        files = [{"name": name, "size": dataset.nbytes, "sha256": content.hexdigest()}]
        return RawMonth(dataset, {"source": self.name, "files": files})


def fetched_months(raw_folder: Path) -> list[str]:
    """List the months that a `FakeSource` was asked for, in order."""
    if not raw_folder.exists():
        return []
    return [entry.name[5:] for entry in sorted(raw_folder.iterdir())]


def month_hours(month: str) -> np.ndarray:
    """All hours of a month written `2016-01`."""
    return Month.parse(month).hours()
