"""Simulate weather with JAX-GCM, a small general circulation model, day by day.

JAX-GCM (`jcm`, https://github.com/climate-analytics-lab/jax-gcm, Apache-2.0) with SPEEDY
physics at T31: 96 x 48 points, 8 sigma levels, steps of 30 minutes. Orography, land-sea mask and
the climatology of sea and land surface come with its package. Its sun is a daily mean, so
the simulated weather has seasons but no course of day.

Source: Molteni 2003, doi:10.1007/s00382-002-0268-2 (SPEEDY).
"""

import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache, partial
from importlib import metadata, resources, util
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from met2net.data.static_fields import static_variable
from met2net.data.variables import variable
from pipelines.errors import DataError
from pipelines.sources.repeatable_jax import start_jax

__all__ = ["LEVELS", "SIMULATOR_VERSION", "Simulator", "simulator", "terrain"]

_logger = logging.getLogger(__name__)

SIMULATOR_VERSION = "3.0.0"

# SPEEDY's layers, sigma = pressure / surface pressure, named by sigma x 1000 hPa. Over high
# ground a layer lies at a lower pressure than its name says.
LEVELS = (25, 95, 200, 340, 510, 685, 835, 950)

_BOUNDARY = ("data", "bc", "t30", "clim")  # folders of the package
_TERRAIN = {"orography": "orog", "land_sea_mask": "lsm"}  # their names in its file
_NUM_LATITUDES = 48
_HOURS_A_DAY = 24
_SECONDS_AN_HOUR = 3600.0
_GRAMS_A_CUBIC_METRE_OF_WATER = 1e6
_REFERENCE_PRESSURE = 1e5  # [Pa]; jcm gives surface pressure as a multiple of it


class Simulator:
    """The model, compiled once, with one state that moves forward a day at a time."""

    def __init__(self, start: np.datetime64) -> None:
        """Build the model; its clock starts at `start`.

        Raises:
            DataError: if jcm is not installed, or is another version.
        """
        _check_installed()
        start_jax()
        with _quiet():
            from jcm.forcing import ForcingData
            from jcm.model import Model
            from jcm.physics.speedy.speedy_coords import get_speedy_coords
            from jcm.physics.speedy.speedy_terms import speedy_physics
            from jcm.terrain import TerrainData

            boundary = resources.files("jcm").joinpath(*_BOUNDARY)
            coords = get_speedy_coords(layers=len(LEVELS), spectral_truncation=31)
            with resources.as_file(boundary) as folder:
                terrain = TerrainData.from_file(str(folder / "terrain.nc"), coords=coords)
                self._forcing = ForcingData.from_file(
                    str(folder / "forcing.nc"), coords=coords, align_mode="wrap_year"
                )
            self._model = Model(
                coords=coords, terrain=terrain, physics=speedy_physics(), start_time=str(start)
            )
        axes = coords.horizontal
        self._latitude = np.rad2deg(np.asarray(axes.latitudes, dtype=np.float64))
        self._longitude = np.rad2deg(np.asarray(axes.longitudes, dtype=np.float64))

    def begin(self, seed: int) -> None:
        """Set the atmosphere at rest, with small differences of pressure drawn by the seed."""
        import jax

        with _quiet():
            model = self._model
            model.bootstrap_state(model.initial_state(random_seed=seed))
            # As plain arrays, as a loaded state is: JAX compiles the day anew for another form.
            plain = partial(jax.tree.map, np.asarray)
            model.restore_state(
                plain(model.dycore_state), plain(model.physics_carry),
                time=plain(model.run_state.time), step=np.int32(0),
            )  # fmt: skip

    def load_state(self, path: Path) -> None:
        """Go on from a saved state, exactly.

        Raises:
            DataError: if the file is no state of this model.
        """
        from jcm.checkpoint import load_checkpoint

        self.begin(seed=0)  # gives the form that the saved arrays are matched against
        try:
            with _quiet():
                load_checkpoint(self._model, path)
        except ValueError as error:
            raise DataError(f"{path}: found no usable model state ({error})") from error

    def save_state(self, path: Path) -> None:
        """Write the whole state (plain arrays in MessagePack; no pickle)."""
        from jcm.checkpoint import save_checkpoint

        save_checkpoint(self._model, path)

    def day(self) -> xr.Dataset:
        """Move on by 24 hours; give the 24 states after each hour, with ERA5's names and units.

        Raises:
            DataError: if the simulation has become unstable.
        """
        with _quiet():
            result = self._model.resume(
                forcing=self._forcing, save_interval="1h", total_time=f"{_HOURS_A_DAY}h"
            )
            time = result.time_labels().astype("datetime64[ns]")
            fields = _fields(result.dynamics, result.physics)
        for name, values in fields.items():
            if not np.isfinite(values).all():
                raise DataError(
                    f"simulated {name} is not finite on {time[0].astype('datetime64[D]')}; "
                    "expected a stable simulation (try another seed)"
                )
        return self._dataset(fields, time)

    def _dataset(self, fields: dict[str, np.ndarray], time: np.ndarray) -> xr.Dataset:
        """Label arrays (time[, level], longitude, latitude), and turn them to house order."""
        surface = ("time", "longitude", "latitude")
        dataset = xr.Dataset(
            {
                name: (surface if values.ndim == 3 else ("time", "level", *surface[1:]), values)
                for name, values in fields.items()
            },
            coords={
                "time": time,
                "level": np.array(LEVELS),
                "latitude": self._latitude,
                "longitude": self._longitude,
            },
        )
        dataset = dataset.transpose("time", "level", "latitude", "longitude")
        dataset = dataset.sortby("latitude", ascending=False)
        for name in dataset.data_vars:
            dataset[name].attrs = variable(str(name)).attrs
        return dataset


def terrain(names: Sequence[str]) -> dict[str, xr.DataArray]:
    """Give the ground that the model runs on, from its file; nothing is built or compiled.

    The orography is what the model makes spectral; the share of land is the file's, of which the
    model takes up to 0.1 for sea and from 0.9 on for land.

    Args:
        names: of `met2net.data.static_fields`.

    Raises:
        DataError: if jcm is not installed, or is another version.
    """
    _check_installed()
    # The package's module would load JAX; its files are wanted alone.
    package = util.find_spec("jcm")
    assert package is not None and package.submodule_search_locations is not None
    path = Path(package.submodule_search_locations[0]).joinpath(*_BOUNDARY, "terrain.nc")
    with xr.open_dataset(path, engine="netcdf4") as stored:
        loaded = stored.drop_vars("lev", errors="ignore").load()
    # The file's latitudes are rounded to 0.001 degrees: those of the weather are Gauss's.
    gaussian = np.rad2deg(np.arcsin(np.polynomial.legendre.leggauss(_NUM_LATITUDES)[0]))
    assert np.allclose(gaussian, loaded["lat"].values, atol=1e-3)
    loaded = loaded.rename(lat="latitude", lon="longitude").assign_coords(latitude=gaussian)
    turned = loaded.sortby("latitude", ascending=False).transpose("latitude", "longitude")
    fields = {name: turned[_TERRAIN[name]].astype(np.float64) for name in names}
    return {
        name: field.rename(name).drop_attrs().assign_attrs(static_variable(name).attrs)
        for name, field in fields.items()
    }


@lru_cache(maxsize=1)
def simulator(start: np.datetime64) -> Simulator:
    """Give the simulator for a start of its clock; building and compiling take half a minute."""
    _logger.info("building the simulator jcm %s", SIMULATOR_VERSION)
    return Simulator(start)


def _fields(dynamics: Any, physics: Any) -> dict[str, np.ndarray]:
    """Read the model's output in ERA5's units: (time[, level], longitude, latitude) float32.

    Relative humidity is over water and often above 100 %, as the model has it; the few values
    above 200 % (spectral ripples in cold air over mountains) are set to 200 %.
    Precipitation of an hour is the rate at its end times one hour.
    """
    surface = physics["_surface_flux"]
    rain = np.asarray(physics["_condensation"].precls) + np.asarray(physics["_convection"].precnv)
    fields = {
        "10m_u_component_of_wind": surface.u0,
        "10m_v_component_of_wind": surface.v0,
        "2m_temperature": surface.t0,
        "total_cloud_cover": physics["_shortwave_rad"].cloudc,
        "surface_pressure": np.asarray(dynamics.normalized_surface_pressure) * _REFERENCE_PRESSURE,
        "total_precipitation": rain * (_SECONDS_AN_HOUR / _GRAMS_A_CUBIC_METRE_OF_WATER),
        "relative_humidity": np.minimum(np.asarray(physics["_humidity"].rh) * 100.0, 200.0),
        "geopotential": dynamics.geopotential,
        "temperature": dynamics.temperature,
        "u_component_of_wind": dynamics.u_wind,
        "v_component_of_wind": dynamics.v_wind,
        "specific_humidity": dynamics.specific_humidity,
    }
    return {name: np.asarray(values, dtype=np.float32) for name, values in fields.items()}


def _check_installed() -> None:
    """Refuse a missing simulator, and a version whose weather would differ."""
    advice = f"expected jcm {SIMULATOR_VERSION}: pip install -e '.[simulator]'"
    try:
        found = metadata.version("jcm")
    except metadata.PackageNotFoundError as error:
        raise DataError(f"the simulator is not installed; {advice}") from error
    if found != SIMULATOR_VERSION:
        raise DataError(f"found jcm {found}; {advice}")


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep jcm's use of xarray and pandas from warning its caller about their next versions."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=FutureWarning, module=r"jcm\.")
        warnings.filterwarnings("ignore", message=".*BaseOffset object instead of a string")
        yield
