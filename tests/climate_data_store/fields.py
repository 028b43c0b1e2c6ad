"""The weather of the local store: a smooth, deterministic function of place and time."""

import zlib

import numpy as np

from met2net.data.variables import VARIABLES, Variable, variable

__all__ = ["ARCHIVED", "STATIC", "archived", "field", "fields"]

ARCHIVED = tuple(v for v in VARIABLES if not v.derived_from)
STATIC = {
    "geopotential": Variable(
        "geopotential", "z", "z", "m2 s-2", "geopotential", "geopotential", "surface", "instant",
        (-3e3, 6e4),
    ),
    "land_sea_mask": Variable(
        "land_sea_mask", "lsm", "lsm", "1", "land-sea mask", "land_binary_mask", "surface",
        "instant", (0.0, 1.0),
    ),
}  # fmt: skip
"""On single levels, the same at every hour."""

# Centre and amplitude in ERA5's units; centre +- 1.01 amplitudes is inside the valid range.
# A variable that is not named takes the middle half of its range.
_TYPICAL = {
    "2m_temperature": (285.0, 20.0),
    "2m_dewpoint_temperature": (-8.0, 5.0),  # below the temperature
    "10m_u_component_of_wind": (1.0, 10.0),
    "10m_v_component_of_wind": (-1.0, 10.0),
    "mean_sea_level_pressure": (101_000.0, 2_000.0),
    "surface_pressure": (95_000.0, 2_000.0),
    "total_cloud_cover": (0.5, 0.45),
    "sea_surface_temperature": (290.0, 8.0),
    "total_precipitation": (1e-3, 9e-4),
    "toa_incident_solar_radiation": (2.4e6, 2.2e6),
    "geopotential": (1.5e5, 3e3),
    "temperature": (250.0, 15.0),
    "u_component_of_wind": (10.0, 25.0),
    "v_component_of_wind": (0.0, 20.0),
    "specific_humidity": (4e-3, 3e-3),
    "relative_humidity": (55.0, 40.0),
}
_PRELIMINARY = "0005"


def archived(name: str, level: int | None) -> Variable:
    """Look a variable up; on no level, that of single levels."""
    return STATIC[name] if level is None and name in STATIC else variable(name)


_PRELIMINARY_OFFSET = 0.01  # in amplitudes


def field(
    name: str,
    level: int | None,
    hour: np.datetime64,
    latitude: np.ndarray,
    longitude: np.ndarray,
    *,
    expver: str = "0001",
) -> np.ndarray:
    """Give one archived field.

    Args:
        name: CDS long name.
        level: [hPa]; None for surface variables.
        hour: valid time; accumulations are over the hour before it.
        latitude: [degrees_north].
        longitude: [degrees_east], in any turn: -10 and 350 are the same place.
        expver: 0001 is final, 0005 preliminary (everywhere a little higher).

    Returns:
        Float64 (latitude, longitude) in ERA5's units, before packing; NaN where the variable
        has no value (sea surface temperature on land).
    """
    hours = np.array([hour], dtype="datetime64[h]")
    return fields(name, level, hours, latitude, longitude, expver=np.array([expver]))[0]


def fields(
    name: str,
    level: int | None,
    hours: np.ndarray,
    latitude: np.ndarray,
    longitude: np.ndarray,
    *,
    expver: np.ndarray,
) -> np.ndarray:
    """Give `field` of several hours, each with its expver: (hour, latitude, longitude)."""
    if level is None and name in STATIC:
        low, high = STATIC[name].valid_range
        share = 0.5 + 0.5 * np.outer(np.cos(np.deg2rad(latitude)), np.sin(np.deg2rad(longitude)))
        return np.broadcast_to(low + (high - low) * share, (len(hours), *share.shape))
    low, high = variable(name).valid_range
    centre, amplitude = _TYPICAL.get(name, ((low + high) / 2, (high - low) / 4))
    phase = zlib.crc32(name.encode()) % 628 / 100 + (0.0 if level is None else level / 150.0)
    time = np.asarray(hours, dtype="datetime64[h]").astype(np.int64)[:, None, None]
    north = np.deg2rad(np.asarray(latitude, dtype=np.float64))[None, :, None]
    east = np.deg2rad(np.asarray(longitude, dtype=np.float64))[None, None, :]
    # Whole wave numbers: the field closes around the globe. The weights add up to 1.
    wave = (
        0.4 * np.cos(north) * np.cos(3 * east - 2 * np.pi * time / 117.0 + phase)
        + 0.3 * np.sin(40 * east + 31 * north - 2 * np.pi * time / 23.0 + phase)
        + 0.2 * np.cos(2 * np.pi * time / 24.0 + east + phase)
        + 0.1 * np.cos(2 * np.pi * time / 8766.0 + north + phase)
    )
    if name == "geopotential":
        centre = 7e4 * np.log(1013.25 / level)  # scale height x gravity, roughly
    preliminary = (np.asarray(expver) == _PRELIMINARY)[:, None, None]
    values = centre + amplitude * (wave + _PRELIMINARY_OFFSET * preliminary)
    if name == "2m_dewpoint_temperature":
        values += fields("2m_temperature", None, hours, latitude, longitude, expver=expver)
    if variable(name).nan_allowed:
        land = (np.round(4 * latitude)[:, None] + np.round(4 * (longitude % 360.0))) % 7 == 0
        values = np.where(land, np.nan, values)
    return values
