"""Tiny GRIB files, written message by message."""

from pathlib import Path

import numpy as np

from pipelines.formats.grib_library import eccodes

LATITUDE = np.array([20.0, 19.0, 18.0])
LONGITUDE = np.array([70.0, 71.0])


def message(
    values: np.ndarray,
    *,
    short_name: str = "2t",
    time: str = "2020-01-01T00",
    level: int | None = None,
    expver: str = "0001",
    latitude: np.ndarray = LATITUDE,
    longitude: np.ndarray = LONGITUDE,
    edition: int = 1,
    **keys: object,
) -> bytes:
    """Encode one field (latitude, longitude); NaN becomes absent points.

    Other GRIB keys, as `P1`, are set last.
    """
    handle = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    try:
        day, hour = time.split("T")
        for key, value in {
            "centre": "ecmf", "dataDate": int(day.replace("-", "")), "dataTime": int(hour) * 100,
            "typeOfLevel": "surface" if level is None else "isobaricInhPa", "level": level or 0,
            "shortName": short_name, **({"expver": expver} if edition == 1 else {}),
            "Ni": len(longitude), "Nj": len(latitude),
            "jScansPositively": int(latitude[0] < latitude[-1]),
            "latitudeOfFirstGridPointInDegrees": latitude[0],
            "latitudeOfLastGridPointInDegrees": latitude[-1],
            "longitudeOfFirstGridPointInDegrees": longitude[0],
            "longitudeOfLastGridPointInDegrees": longitude[-1],
            "iDirectionIncrementInDegrees": abs(longitude[1] - longitude[0]),
            "jDirectionIncrementInDegrees": abs(latitude[1] - latitude[0]),
            "bitsPerValue": 16, "missingValue": 9999, "bitmapPresent": int(np.isnan(values).any()),
            **keys,
        }.items():  # fmt: skip
            eccodes.codes_set(handle, key, value)
        eccodes.codes_set_values(handle, np.nan_to_num(values, nan=9999.0).ravel())
        content: bytes = eccodes.codes_get_message(handle)
    finally:
        eccodes.codes_release(handle)
    return content


def write_day(path: Path, *, day: str = "2020-01-01", hours: int = 24, offset: float = 0.0) -> Path:
    """Write hourly 2 m temperature of one day: 280 + hour + 0.25 x point + offset [K]."""
    field = 280.0 + 0.25 * np.arange(6.0).reshape(3, 2) + offset
    path.write_bytes(
        b"".join(message(field + hour, time=f"{day}T{hour:02d}") for hour in range(hours))
    )
    return path
