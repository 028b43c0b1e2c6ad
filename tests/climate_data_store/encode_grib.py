"""Write GRIB edition 1 as the Climate Data Store does."""

import numpy as np

# With the reader's own lock: both run in one process under test.
from pipelines.formats.grib_library import ECCODES, eccodes
from tests.climate_data_store.layers import Layer, Reply

__all__ = ["encode_grib"]

_HOURS_A_BLOCK = 24
_MISSING = 9999.0
_ACCUMULATED = 4  # time range indicator: from P1 to P2


def encode_grib(reply: Reply) -> bytes:
    """Encode all fields, by hour and then by layer; 16 bits a value, absent points in a bitmap.

    Accumulations are written as ERA5 has them: from a forecast that began at 06 or 18 UTC, over
    the step that ends at the valid hour.
    """
    parts = []
    num_hours = len(reply.layers[0].hours)
    with ECCODES:
        templates = [_template(layer, reply) for layer in reply.layers]
        try:
            for start in range(0, num_hours, _HOURS_A_BLOCK):
                block = slice(start, min(start + _HOURS_A_BLOCK, num_hours))
                values = [
                    x.values(reply.latitude, reply.longitude, hours=block) for x in reply.layers
                ]
                for row, index in enumerate(range(block.start, block.stop)):
                    for layer, template, field in zip(reply.layers, templates, values, strict=True):
                        parts.append(_message(template, layer, index, field[row]))
        finally:
            for template in templates:
                eccodes.codes_release(template)
    return b"".join(parts)


def _template(layer: Layer, reply: Reply) -> int:
    """Make a message with all that hours have in common."""
    handle = eccodes.codes_grib_new_from_samples("regular_ll_sfc_grib1")
    latitude, longitude = reply.latitude, reply.longitude
    spacing = [abs(x[1] - x[0]) if len(x) > 1 else 0.25 for x in (latitude, longitude)]
    for key, value in {
        "centre": "ecmf", "marsType": "an", "marsStream": "oper",
        "typeOfLevel": "surface" if layer.level is None else "isobaricInhPa",
        "level": layer.level or 0, "shortName": layer.variable.grib_short_name,
        "Ni": len(longitude), "Nj": len(latitude),
        "latitudeOfFirstGridPointInDegrees": latitude[0],
        "latitudeOfLastGridPointInDegrees": latitude[-1],
        "longitudeOfFirstGridPointInDegrees": longitude[0],
        "longitudeOfLastGridPointInDegrees": longitude[-1],
        "iDirectionIncrementInDegrees": spacing[1],
        "jDirectionIncrementInDegrees": spacing[0],
        "bitsPerValue": 16, "missingValue": _MISSING,
    }.items():  # fmt: skip
        eccodes.codes_set(handle, key, value)
    if layer.variable.step_type == "accum":
        eccodes.codes_set(handle, "timeRangeIndicator", _ACCUMULATED)
    return handle


def _message(handle: int, layer: Layer, index: int, field: np.ndarray) -> bytes:
    """Encode one hour (latitude, longitude) with a layer's template."""
    hour = layer.hours[index]
    if layer.variable.step_type == "accum":
        # Forecasts of 12 hours from 06 and 18 UTC: the valid hours 07 to 18 and 19 to 06.
        step = (int(hour.astype(np.int64)) - 7) % 12 + 1
        hour = hour - step
        eccodes.codes_set_long(handle, "P1", step - 1)
        eccodes.codes_set_long(handle, "P2", step)
    day = hour.astype("datetime64[D]")
    eccodes.codes_set_long(handle, "dataDate", int(str(day).replace("-", "")))
    eccodes.codes_set_long(handle, "dataTime", 100 * int((hour - day).astype(np.int64)))
    eccodes.codes_set_string(handle, "expver", str(layer.expver[index]))
    absent = np.isnan(field)
    eccodes.codes_set_long(handle, "bitmapPresent", int(absent.any()))
    eccodes.codes_set_values(handle, np.where(absent, _MISSING, field).ravel())
    content: bytes = eccodes.codes_get_message(handle)
    return content
