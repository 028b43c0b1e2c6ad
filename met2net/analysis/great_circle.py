"""Distances on a sphere, and longitudes that have no beginning."""

import numpy as np
from jaxtyping import Float

__all__ = ["EARTH_RADIUS_KM", "great_circle_km", "longitude_difference", "wrap_longitude"]

EARTH_RADIUS_KM = 6371.0088  # mean radius; source: Moritz 2000, Geodetic Reference System 1980

Degrees = float | int | Float[np.ndarray, "*_"]


def great_circle_km(
    latitude: Degrees, longitude: Degrees, other_latitude: Degrees, other_longitude: Degrees
) -> Float[np.ndarray, "*_"]:
    """Give the distance between points on the sphere [km]; arrays broadcast.

    Haversine formula, which keeps its digits at small distances. Longitudes [degrees_east] may
    be counted from -180 or from 0. Source: Sinnott 1984, Sky and Telescope 68, p. 159.
    """
    first, second = np.deg2rad(latitude), np.deg2rad(other_latitude)
    across = np.deg2rad(np.asarray(other_longitude) - longitude)
    haversine = (
        np.sin((second - first) / 2) ** 2 + np.cos(first) * np.cos(second) * np.sin(across / 2) ** 2
    )
    distance: Float[np.ndarray, "*_"] = (
        2 * EARTH_RADIUS_KM * np.arcsin(np.sqrt(np.clip(haversine, 0.0, 1.0)))
    )
    return np.asarray(distance)


def longitude_difference(longitude: Degrees, origin: Degrees) -> Float[np.ndarray, "*_"]:
    """Give how far east of `origin` a longitude lies, in [-180, 180) [degrees]."""
    return np.asarray((np.asarray(longitude) - origin + 180.0) % 360.0 - 180.0)


def wrap_longitude(longitude: Degrees) -> Float[np.ndarray, "*_"]:
    """Count longitudes from 0 to below 360 [degrees_east]."""
    wrapped = np.asarray(longitude) % 360.0
    # The remainder of a negative number near 0 is rounded to 360 itself.
    return np.where(wrapped < 360.0, wrapped, 0.0)
