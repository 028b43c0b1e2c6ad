"""Fields of a place that never change: the height of the ground, land or sea.

They are input-only: networks see them among what is known in advance, and nothing forecasts them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import xarray as xr
from jaxtyping import Float, Float32

from met2net.data.grid import Grid
from met2net.data.unit_spellings import same_units

__all__ = [
    "STANDARD_GRAVITY",
    "STATIC_VARIABLES",
    "ChangesWithTime",
    "StaticField",
    "StaticVariable",
    "find_static",
    "same_but_for_packing",
    "static_array",
    "static_candidates",
    "static_variable",
]

STANDARD_GRAVITY = 9.80665
"""[m s-2] Source: ECMWF divides ERA5's surface geopotential by it to give the orography,
https://codes.ecmwf.int/grib/param-db/129."""

_PACKING = 2.0**-16  # of a field's range: GRIB rounds to 16 bits, files packed apart differ by it


@dataclass(frozen=True)
class StaticVariable:
    """A static field that networks may see.

    Attributes:
        name: what settings call it.
        units: of its values here, CF style.
        long_name: text for metadata.
        standard_name: of CF.
        names: what files call it; where also something else on levels is called so (`z`), it is
            the one on none.
        factors: units in files -> what values are multiplied by to be in `units`.
        valid_range: smallest and largest value on Earth, in `units`.
        unit_size: that networks see it divided by, in `units`; fixed, so that a height means the
            same on every grid.
    """

    name: str
    units: str
    long_name: str
    standard_name: str
    names: tuple[str, ...]
    factors: Mapping[str, float]
    valid_range: tuple[float, float]
    unit_size: float

    @property
    def attrs(self) -> dict[str, str]:
        """CF attributes."""
        return {
            "units": self.units, "long_name": self.long_name, "standard_name": self.standard_name,
        }  # fmt: skip


STATIC_VARIABLES: Mapping[str, StaticVariable] = {
    table.name: table
    for table in (
        # ERA5's invariant `z` of the surface, CDS name `geopotential` on single levels. Spectral
        # ripples beside mountains put some sea below 0.
        StaticVariable(
            "orography", "m", "height of the surface above the geoid", "surface_altitude",
            ("orography", "orog", "geopotential_at_surface", "surface_geopotential",
             "geopotential", "z"),
            {"m": 1.0, "gpm": 1.0, "m2 s-2": 1 / STANDARD_GRAVITY}, (-1000.0, 9000.0), 1000.0,
        ),
        # Share of land, lakes not counted. Source: https://codes.ecmwf.int/grib/param-db/172.
        StaticVariable(
            "land_sea_mask", "1", "share of land", "land_area_fraction",
            ("land_sea_mask", "lsm"), {"1": 1.0}, (-0.01, 1.01), 1.0,
        ),
    )
}  # fmt: skip
"""By name. Limits are wide: they are to catch wrong units, not low valleys."""


class ChangesWithTime(ValueError):
    """A field that is called as a static one is none."""


def static_variable(name: str) -> StaticVariable:
    """Look a static field up.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in STATIC_VARIABLES:
        raise ValueError(
            f"unknown static field {name!r}; expected one of: {', '.join(STATIC_VARIABLES)}"
        )
    return STATIC_VARIABLES[name]


@dataclass(frozen=True, eq=False)
class StaticField:
    """One static field on the grid of a training set.

    Attributes:
        name: one of `STATIC_VARIABLES`.
        grid: its points.
        values: in the units of its variable.
        provenance: plain texts: where it came from and what was done to it.

    Raises:
        ValueError: if there is no such field, the shape is not the grid's, or a value is none or
            none on Earth.
    """

    name: str
    grid: Grid
    values: Float32[np.ndarray, "h w"]
    provenance: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check the values."""
        table = static_variable(self.name)
        if self.values.shape != self.grid.shape:
            raise ValueError(
                f"{self.name} has {self.values.shape[0]} x {self.values.shape[1]} points; "
                f"expected {self.grid}"
            )
        absent = int((~np.isfinite(self.values)).sum())
        if absent:
            raise ValueError(
                f"{self.name} has no value at {absent} of {self.values.size} points; expected one "
                "everywhere"
            )
        low, high = float(self.values.min()), float(self.values.max())
        if low < table.valid_range[0] or high > table.valid_range[1]:
            raise ValueError(
                f"{self.name} goes from {low:g} to {high:g} {table.units}; expected "
                f"{table.valid_range[0]:g} to {table.valid_range[1]:g}: are its units right?"
            )

    @property
    def content(self) -> str:
        """Name its values: 16 hexadecimal digits of a SHA-256."""
        digest = hashlib.sha256(f"{self.name} {self.values.shape}".encode())
        digest.update(np.ascontiguousarray(self.values, dtype="<f4").tobytes())
        return digest.hexdigest()[:16]

    @property
    def seen(self) -> Float32[np.ndarray, "h w"]:
        """What a network sees: values of about unit size."""
        return np.asarray(self.values / np.float32(static_variable(self.name).unit_size))

    def check_grid(self, grid: Grid) -> None:
        """Refuse another grid.

        Raises:
            ValueError: naming both.
        """
        if not self.grid.matches(grid):
            raise ValueError(f"{self.name} is on {self.grid}; expected {grid}")


def find_static(dataset: xr.Dataset, name: str, *, known_as: str | None = None) -> xr.DataArray:
    """Find a static field in a Dataset, by the first of its usual names that is there.

    Args:
        dataset: with axes of house names (`met2net.data.dataset_fields`).
        name: of the static field.
        known_as: variable that holds it, where none of the usual names is right.

    Returns:
        See `static_array`.

    Raises:
        ValueError: if there is none, or as `static_array`.
    """
    found = static_candidates(dataset, name) if known_as is None else [known_as]
    if not found:
        listed = ", ".join(map(str, dataset.data_vars)) or "no variable"
        raise ValueError(
            f"found {listed}; expected also {name}, called "
            f"{' or '.join(static_variable(name).names)}, on no level"
        )
    return static_array(dataset[found[0]], name)


def static_candidates(dataset: xr.Dataset, name: str) -> list[str]:
    """Name the variables of a Dataset that may be a static field: so called, and on no level.

    Args:
        dataset: with axes of house names (`met2net.data.dataset_fields`).
        name: of the static field.
    """
    names = [n for n in static_variable(name).names if n in dataset.data_vars]
    return [n for n in names if _is_of_surface(dataset[n])]


def static_array(array: xr.DataArray, name: str) -> xr.DataArray:
    """Give a field of a file as a static field: one frame, in its units, float64.

    Args:
        array: dims `latitude`, `longitude` and any of one value; along `time` all frames must be
            the same, but for the rounding of 16 bits.
        name: of the static field.

    Raises:
        ChangesWithTime: if it does.
        ValueError: if it has other dimensions, or says no usable units.
    """
    table = static_variable(name)
    units = str(array.attrs.get("units", "none"))
    factor = next((f for known, f in table.factors.items() if same_units(units, known)), None)
    if factor is None:
        raise ValueError(
            f"{array.name} has units {units!r}; expected {' or '.join(table.factors)} for {name}"
        )
    others = [dim for dim in array.dims if dim not in ("latitude", "longitude")]
    extra = [str(dim) for dim in others if dim != "time" and array.sizes[dim] != 1]
    if extra or not {"latitude", "longitude"} <= set(array.dims):
        raise ValueError(
            f"{array.name} has dimensions {', '.join(map(str, array.dims))}; expected latitude and "
            f"longitude for {name}"
        )
    first = array.isel(dict.fromkeys(others, 0), drop=True).transpose("latitude", "longitude")
    values = first.values.astype(np.float64) * factor
    for frame in range(1, array.sizes.get("time", 1)):
        later = array.isel(dict.fromkeys(others, 0) | {"time": frame}, drop=True)
        found = later.transpose("latitude", "longitude").values.astype(np.float64) * factor
        if not same_but_for_packing(found, values, name):
            raise ChangesWithTime(
                f"{array.name} changes with time, by up to "
                f"{float(np.nanmax(np.abs(found - values))):g} {table.units} within {frame + 1} "
                f"times; expected the same at every time for {name}"
            )
    axes = {axis: first[axis] for axis in ("latitude", "longitude")}
    return xr.DataArray(
        values, dims=("latitude", "longitude"), coords=axes, name=name, attrs=table.attrs
    )


def same_but_for_packing(
    first: Float[np.ndarray, "h w"], second: Float[np.ndarray, "h w"], name: str
) -> bool:
    """Tell whether two copies of a static field are the same, but for the rounding of 16 bits."""
    low, high = static_variable(name).valid_range
    tolerance = _PACKING * (high - low)
    return np.allclose(first, second, rtol=0, atol=tolerance, equal_nan=True)


def _is_of_surface(array: xr.DataArray) -> bool:
    """Tell the surface's `z` from that of a pressure level."""
    on_level = any(axis in array.coords for axis in ("level", "isobaricInhPa", "pressure_level"))
    return not on_level and array.attrs.get("GRIB_typeOfLevel", "surface") == "surface"
