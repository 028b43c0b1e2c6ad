"""One variable at one level over all hours of a reply: what the encoders write."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from met2net.data.variables import Variable
from tests.climate_data_store.fields import fields

__all__ = ["Layer", "Reply"]


@dataclass(frozen=True)
class Layer:
    """A variable at one level.

    Attributes:
        variable: which.
        level: [hPa]; None for surface variables.
        hours: datetime64[h], in the order of the file.
        expver: (hour,), four characters.
        units: what the file says (GRIB implies them).
        change: what a fault does to the values (hour, latitude, longitude), with the position
            of the first hour; None for nothing.
    """

    variable: Variable
    level: int | None
    hours: np.ndarray
    expver: np.ndarray
    units: str
    change: Callable[[np.ndarray, int], np.ndarray] | None = None

    def values(
        self, latitude: np.ndarray, longitude: np.ndarray, *, hours: slice = slice(None)
    ) -> np.ndarray:
        """Give the values of some hours: (hour, latitude, longitude)."""
        values = fields(
            self.variable.name, self.level, self.hours[hours], latitude, longitude,
            expver=self.expver[hours],
        )  # fmt: skip
        return values if self.change is None else self.change(values, hours.start or 0)


@dataclass(frozen=True)
class Reply:
    """All that a file holds.

    Attributes:
        layers: all with the same number of hours.
        latitude: what the file says [degrees_north], decreasing.
        longitude: what the file says [degrees_east], increasing.
        expver_form: how netCDF tells the release: `per_time`, `scalar` or `dimension`.
    """

    layers: tuple[Layer, ...]
    latitude: np.ndarray
    longitude: np.ndarray
    expver_form: str = "per_time"
