"""Made-up weather: travelling waves and a storm, for trying a pipeline out in seconds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float64

from met2net.analysis.great_circle import longitude_difference
from met2net.data.grid import Grid
from met2net.data.static_fields import static_variable
from met2net.data.variables import variable
from pipelines.errors import DataError
from pipelines.fields.target_grids import NAMED_RESOLUTIONS, GridSettings, target_grid
from pipelines.fingerprint import to_plain
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.sources.static_source import RawStatic

__all__ = ["EXPVER", "STORMS", "STORM_NUMBERS", "Generated"]

EXPVER = "0000"
STORMS = Path(__file__).with_name("generated_storms.csv")
"""Best tracks of the storms that the made-up weather has, in the columns of IBTrACS."""
STORM_NUMBERS = ("2001019N15137",)
"""Their numbers: one, for the last days of January 2001."""

_NUM_WAVES = 5
_STORM_RADIUS = 3.0  # of the strongest wind [degrees of arc]
_HIGHEST = 4000.0  # point of the ground [m]
_COAST = 1000.0  # over which land becomes sea, counted in metres of height
_AMBIENT_PRESSURE = 101_000.0  # [Pa]
_TYPICAL = {  # mean, spread over the globe and spread of the waves, in ERA5's units
    "2m_temperature": (280.0, 20.0, 6.0),
    "2m_dewpoint_temperature": (274.0, 18.0, 6.0),
    "10m_u_component_of_wind": (0.0, 2.0, 5.0),
    "10m_v_component_of_wind": (0.0, 1.0, 5.0),
    "mean_sea_level_pressure": (_AMBIENT_PRESSURE, 300.0, 500.0),
    "surface_pressure": (98_500.0, 1_000.0, 500.0),
    "total_cloud_cover": (0.5, 0.05, 0.25),
    "total_precipitation": (2e-4, 1e-4, 2e-4),
    "toa_incident_solar_radiation": (1.2e6, 4e5, 2e5),
    "sea_surface_temperature": (288.0, 10.0, 1.0),
    "geopotential": (5e4, 2e3, 8e2),
    "temperature": (250.0, 15.0, 5.0),
    "u_component_of_wind": (5.0, 6.0, 8.0),
    "v_component_of_wind": (0.0, 2.0, 8.0),
    "specific_humidity": (4e-3, 1e-3, 1e-3),
    "relative_humidity": (60.0, 8.0, 18.0),
}
_NEVER_NEGATIVE = ("total_precipitation", "toa_incident_solar_radiation", "specific_humidity")
_STORM_FIELDS = ("mean_sea_level_pressure", "10m_u_component_of_wind", "10m_v_component_of_wind")


@dataclass(frozen=True)
class Generated:
    """Hourly fields that look a little like weather; nothing can be learned from them about it.

    A field is a mean that falls towards the poles, a daily cycle, a few waves that travel
    eastward, the same in all variables but shifted, and noise. The storms of `STORMS` move
    through pressure and wind. An hour's fields depend on the hour and the seed alone.

    Attributes:
        seed: draws waves and noise.
        grid: where fields are made; the same as the data's saves regridding.
        noise: spread of the noise, as a share of the waves'.

    Raises:
        ValueError: if a setting is out of range.
    """

    seed: int = 0
    grid: GridSettings = field(default_factory=lambda: GridSettings(resolution=5.625))
    noise: float = 0.1

    def __post_init__(self) -> None:
        """Check the settings."""
        if self.seed < 0:
            raise ValueError(f"seed is {self.seed}; expected at least 0")
        if not self.noise >= 0:
            raise ValueError(f"noise is {self.noise}; expected at least 0")

    @property
    def name(self) -> str:
        """Short name for folders and metadata."""
        return "generated"

    @property
    def attribution(self) -> str | None:
        """None: nobody observed it."""
        return None

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        """Make one month up; nothing is kept.

        Raises:
            DataError: if a variable is not among those that can be made up.
        """
        unknown = [name for name in request.fields if name not in _TYPICAL]
        if unknown:
            raise DataError(
                f"found a request for {unknown[0]}; expected some of {', '.join(_TYPICAL)}"
            )
        grid = target_grid(NAMED_RESOLUTIONS["0.25"](), self.grid)
        levels = tuple(sorted({level for some in request.fields.values() for level in some}))
        hours = request.hours.astype("datetime64[h]")
        dims = ("time", "latitude", "longitude")
        axes: tuple[str, ...]
        arrays = {}
        for name, own_levels in request.fields.items():
            if own_levels:
                stack = [self._field(name, level, hours, grid) for level in levels]
                values, axes = np.stack(stack, axis=1), (dims[0], "level", *dims[1:])
            else:
                values, axes = self._field(name, 0, hours, grid), dims
            arrays[name] = (axes, values.astype(np.float32), variable(name).attrs)
        coords = {
            "time": hours.astype("datetime64[ns]"),
            "expver": ("time", np.full(len(hours), EXPVER)),
            "latitude": ("latitude", np.array(grid.latitude), {"units": "degrees_north"}),
            "longitude": ("longitude", np.array(grid.longitude), {"units": "degrees_east"}),
        }
        if levels:
            coords["level"] = ("level", np.array(levels), {"units": "hPa"})
        manifest = {"source": self.name, "settings": to_plain(self), "files": []}
        return RawMonth(xr.Dataset(arrays, coords=coords), manifest)

    def fetch_static(self, names: Sequence[str], raw_folder: Path) -> dict[str, RawStatic]:
        """Make the ground up: two continents with a mountain each; the weather knows none of it."""
        del raw_folder
        grid = target_grid(NAMED_RESOLUTIONS["0.25"](), self.grid)
        latitude = np.deg2rad(np.array(grid.latitude))[:, None]
        longitude = np.deg2rad(np.array(grid.longitude))[None, :]
        height = _HIGHEST * np.cos(latitude) * np.sin(2 * longitude + self.seed)
        made = {
            "orography": np.maximum(height, 0.0),
            "land_sea_mask": np.clip(height / _COAST + 0.5, 0.0, 1.0),
        }
        axes = {
            "latitude": ("latitude", np.array(grid.latitude), {"units": "degrees_north"}),
            "longitude": ("longitude", np.array(grid.longitude), {"units": "degrees_east"}),
        }
        manifest = {"source": self.name, "settings": to_plain(self)}
        return {
            name: RawStatic(
                xr.DataArray(made[name], axes, ("latitude", "longitude"), name,
                             static_variable(name).attrs),
                manifest,
            )
            for name in names
        }  # fmt: skip

    def _field(
        self, name: str, level: int, hours: np.ndarray, grid: Grid
    ) -> Float64[np.ndarray, "time lat lon"]:
        """Make one variable at one level [hPa], 0 for the surface."""
        mean, over_globe, of_waves = _TYPICAL[name]
        number = list(_TYPICAL).index(name)
        latitude = np.deg2rad(np.array(grid.latitude))[:, None]
        longitude = np.deg2rad(np.array(grid.longitude))[None, :]
        count = hours.astype(np.int64)[:, None, None]  # hours since 1970
        daily = np.cos(2 * np.pi * count / 24 + longitude + number)
        weather = 0.4 * daily * np.cos(latitude)
        rng = np.random.default_rng(self.seed)
        for wave in range(1, _NUM_WAVES + 1):
            period, phase = rng.uniform(60, 200), rng.uniform(0, 2 * np.pi)
            tilt = rng.uniform(1, 3)
            shift = 0.7 * number + 0.001 * level
            weather = weather + np.cos(latitude) / np.sqrt(_NUM_WAVES) * np.sin(
                wave * longitude - 2 * np.pi * count / period + tilt * latitude + phase + shift
            )
        noise = np.stack(
            [np.random.default_rng([self.seed, number, level, int(hour)]).normal(size=grid.shape)
             for hour in count.ravel()]
        )  # fmt: skip
        values = (
            mean
            + over_globe * (np.cos(latitude) - 0.64)
            + of_waves * (weather + self.noise * noise)
        )
        if name in _STORM_FIELDS:
            values = values + _storms(name, hours, grid)
        low, high = variable(name).valid_range
        lowest = max(low, 0.0) if name in _NEVER_NEGATIVE else low
        return np.asarray(np.clip(values, lowest, high))


def _storms(name: str, hours: np.ndarray, grid: Grid) -> Float64[np.ndarray, "time lat lon"]:
    """Give what the storms add to pressure [Pa] or wind [m s-1]; they turn as in the north."""
    total = np.zeros((len(hours), *grid.shape))
    for _, storm in pd.read_csv(STORMS).groupby("track_id"):
        known = pd.to_datetime(storm["time"]).to_numpy().astype("datetime64[h]").astype(float)
        inside = np.flatnonzero((hours.astype(float) >= known[0])
                                & (hours.astype(float) <= known[-1]))  # fmt: skip
        if not len(inside):
            continue
        at = hours[inside].astype(float)
        lat, lon, slp, wind = (
            np.interp(at, known, storm[column])[:, None, None]
            for column in ("lat", "lon", "slp", "wind")
        )
        north = np.array(grid.latitude)[:, None] - lat
        east = longitude_difference(np.array(grid.longitude)[None, :], lon) * np.cos(
            np.deg2rad(lat)
        )
        squared = (north**2 + east**2) / _STORM_RADIUS**2
        if name == "mean_sea_level_pressure":
            total[inside] += (100 * slp - _AMBIENT_PRESSURE) * np.exp(-squared / 2)
        else:
            component = -north if name == "10m_u_component_of_wind" else east
            # Rises to `wind` [knots] at the radius, then falls.
            speed = wind * 1852 / 3600 * np.exp((1 - squared) / 2) / _STORM_RADIUS
            total[inside] += speed * component
    return total
