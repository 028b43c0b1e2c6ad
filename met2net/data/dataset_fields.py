"""Channels out of an xarray Dataset, whatever it calls its variables and axes.

A variable goes by its CDS long name, its label, its GRIB short name, or a name that the caller
gives; a level also by the channel's label as a variable of its own (`z500`). Nothing is guessed
from values: units that differ are refused, not converted, and so is what says that it is something
else than its name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import xarray as xr
from jaxtyping import Float

from met2net.data.grid import Grid, unbroken_longitudes
from met2net.data.named_kind import other_variable
from met2net.data.unit_spellings import same_units
from met2net.data.variables import Channel, channel

__all__ = ["AXIS_NAMES", "DatasetFields"]

AXIS_NAMES = {
    "level": ("level", "pressure_level", "isobaricInhPa", "plev"),
    "latitude": ("latitude", "lat"),
    "longitude": ("longitude", "lon"),
}
"""House name -> names of dimensions and coordinates in files."""

_TIME_NAMES = ("time", "valid_time")
_DEGREES = re.compile(r"deg(ree)?s?(_?(n(orth)?|e(ast)?))?|°", re.IGNORECASE)
_PASCALS_A_HECTOPASCAL = 100


@dataclass(frozen=True, eq=False)
class DatasetFields:
    """A dataset with axes of house names and orders, and how it calls channels.

    Attributes:
        dataset: `time`, `latitude` decreasing, `longitude` as in a `Grid`, `level` [hPa].
        names: channel label -> variable of the dataset, where no usual name is right.
    """

    dataset: xr.Dataset
    names: Mapping[str, str]

    @classmethod
    def of(cls, dataset: xr.Dataset, *, names: Mapping[str, str] | None = None) -> "DatasetFields":
        """Rename and order the axes; nothing is read but these.

        Raises:
            TypeError: if there is no Dataset.
            ValueError: if an axis is missing, twice or no axis in degrees, or `names` names a
                variable that is not there.
        """
        if not isinstance(dataset, xr.Dataset):
            raise TypeError(f"found a {type(dataset).__name__}; expected an xarray.Dataset")
        if names is not None and not isinstance(names, Mapping):
            raise TypeError(
                f"names is a {type(names).__name__}; expected a mapping of channel labels to "
                "variables of the dataset, such as {'t2m': 'T_2M'}"
            )
        names = dict(names or {})
        absent = sorted(set(names.values()) - set(map(str, dataset.data_vars)))
        if absent:
            raise ValueError(
                f"names has variables {', '.join(absent)}; the dataset has: {_listed(dataset)}"
            )
        for house, spellings in (("time", _TIME_NAMES), *AXIS_NAMES.items()):
            dataset = _with_axis(dataset, house, spellings)
        return cls(_ordered(dataset), names)

    @property
    def grid(self) -> Grid:
        """The grid of all fields.

        Raises:
            ValueError: if the axes are not a grid's.
        """
        return Grid.from_dataset(self.dataset)

    def read(
        self, label: str, *, times: np.ndarray, units: str | None = None
    ) -> Float[np.ndarray, "t h w"]:
        """Read one channel at some times, in the dtype of the dataset.

        Args:
            label: of a channel.
            times: of the dataset.
            units: that the fields must have; None: those of the table of variables. A field
                that says none is taken to have them.

        Raises:
            ValueError: if no variable, or several, or no such level is there, the units differ, or
                an attribute says that it is something else, as a daily maximum.
        """
        parsed = channel(label)
        array = self._find(parsed)
        # One member of an ensemble is weather, too, to whoever picks it by hand.
        named = array.drop_vars("number", errors="ignore").rename(parsed.variable.label)
        reason = other_variable(named, parsed.variable)
        if reason is not None:
            raise ValueError(f"{array.name} is no {parsed.variable.long_name}: found {reason}")
        units = parsed.variable.units if units is None else units
        found_units = str(array.attrs.get("units", units))
        if not same_units(found_units, units):
            raise ValueError(f"{array.name} has units {found_units!r}; expected {units!r}")
        if parsed.level is not None and "level" in array.dims:
            if parsed.level not in array["level"].values:
                found = ", ".join(map(str, array["level"].values))
                raise ValueError(f"{array.name} has levels {found}; expected {parsed.level} [hPa]")
            array = array.sel(level=parsed.level)
        axes = ("time", "latitude", "longitude")
        extra = [dim for dim in array.dims if dim not in axes]
        if any(array.sizes[dim] != 1 for dim in extra) or not set(axes) <= set(array.dims):
            raise ValueError(
                f"{array.name} has dimensions {', '.join(map(str, array.dims))}; expected "
                f"{', '.join(axes)}" + (" and level" if parsed.level is not None else "")
            )
        selected = array.squeeze(extra, drop=True).sel(time=times).transpose(*axes)
        return np.asarray(selected.values)

    def _find(self, parsed: Channel) -> xr.DataArray:
        """Find the variable of a channel."""
        if parsed.label in self.names:
            return self.dataset[self.names[parsed.label]]
        table = parsed.variable
        usual = dict.fromkeys((table.name, table.label, table.grib_short_name, parsed.label))
        found = [name for name in usual if name in self.dataset.data_vars]
        if parsed.level is not None:
            # On no level, `z` is the height of the surface and `t` is nobody knows which.
            flat = [n for n in found if n != parsed.label and "level" not in self.dataset[n].dims]
            if flat and flat == found:
                raise ValueError(f"{flat[0]} has levels none; expected {parsed.level} [hPa]")
            found = [name for name in found if name not in flat]
        if len(found) != 1:
            usual_names = ", ".join(usual)
            if found:
                raise ValueError(
                    f"dataset has {', '.join(found)}; expected one variable for {parsed.label}, "
                    "or its name in `names`"
                )
            raise ValueError(
                f"dataset has no variable {table.name!r}; found: {_listed(self.dataset)}; expected "
                f"{usual_names}, or another one given in `names`"
            )
        return self.dataset[found[0]]


def _listed(dataset: xr.Dataset) -> str:
    return ", ".join(map(str, dataset.data_vars)) or "none"


def _with_axis(dataset: xr.Dataset, house: str, spellings: tuple[str, ...]) -> xr.Dataset:
    """Give an axis its house name; a level in Pa becomes one in hPa."""
    found = [s for s in spellings if s in dataset.dims and s in dataset.coords]
    if len(found) > 1:
        raise ValueError(f"dataset has axes {', '.join(found)}; expected one of {house}")
    if not found:
        return dataset
    dataset = dataset.drop_vars([s for s in spellings if s != found[0]], errors="ignore")
    if found[0] != house:
        dataset = dataset.rename({found[0]: house})
    axis = dataset[house]
    units = str(axis.attrs.get("units", ""))
    if house in ("latitude", "longitude") and units and not _DEGREES.fullmatch(units.strip()):
        raise ValueError(f"{found[0]} has units {units!r}; expected degrees")
    if house == "level" and same_units(units, "Pa"):
        dataset = dataset.assign_coords(level=axis.values / _PASCALS_A_HECTOPASCAL)
    return dataset


def _ordered(dataset: xr.Dataset) -> xr.Dataset:
    """Turn latitude to decreasing and longitude to a `Grid`'s, where they are not."""
    latitude = dataset.coords.get("latitude")
    if latitude is not None and latitude.ndim == 1 and np.any(np.diff(latitude.values) > 0):
        dataset = dataset.sortby("latitude", ascending=False)
    longitude = dataset.coords.get("longitude")
    if longitude is not None and longitude.ndim == 1 and longitude.size:
        values = np.round(longitude.values.astype(np.float64), 6)
        order, east = unbroken_longitudes(values)
        if np.any(np.diff(order) != 1):
            dataset = dataset.isel(longitude=order)
        if not np.array_equal(east, values):
            dataset = dataset.assign_coords(longitude=east)
    return dataset
