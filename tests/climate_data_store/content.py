"""The file that a job gives: which hours, which release, which fault, in which format."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from met2net.data.variables import variable
from tests.climate_data_store.encode_grib import encode_grib
from tests.climate_data_store.encode_netcdf import (
    encode_netcdf,
    encode_zip,
    member_name,
    split_by_step_type,
)
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.fields import archived
from tests.climate_data_store.jobs import Archive
from tests.climate_data_store.layers import Layer, Reply
from tests.climate_data_store.selection import Selection

__all__ = ["available_hours", "encode"]

_FINAL, _PRELIMINARY = "0001", "0005"
_SHIFT = 0.1  # [degrees]
_OTHER_UNITS: Mapping[str, tuple[str, float, float]] = {  # name, factor, offset
    "K": ("degC", 1.0, -273.15),
    "Pa": ("hPa", 0.01, 0.0),
    "m": ("mm", 1000.0, 0.0),
    "m s-1": ("knots", 1.943844, 0.0),
}


def available_hours(selection: Selection, archive: Archive) -> np.ndarray:
    """Give the requested hours that the archive has; later ones are dropped silently."""
    if archive.newest_hour is None:
        return selection.hours
    return selection.hours[selection.hours <= archive.newest_hour]


def encode(
    selection: Selection, archive: Archive, *, expver_form: str, fault: Fault | None = None
) -> bytes:
    """Make the file of a request, as a content fault wants it."""
    kind = None if fault is None else fault.kind
    details: Mapping[str, Any] = {} if fault is None else fault.details
    hours = _faulty_hours(available_hours(selection, archive), kind, details)
    layers = []
    for name in selection.variables:
        for level in selection.levels or (None,):
            table = archived(name, level)
            layer = Layer(
                table, level, hours, _expver(name, hours, archive, kind, details), table.units
            )
            layers.append(_faulty_layer(layer, kind, details))
    layers = _left_layers(layers, kind, details)
    if not layers:
        raise ValueError(f"found a request of nothing but what {kind} leaves out")
    shift = _SHIFT if kind == "wrong_grid" else 0.0
    reply = Reply(
        tuple(layers), selection.latitude + shift, selection.longitude + shift, expver_form
    )
    return _written(reply, selection.data_format, kind)


def _written(reply: Reply, data_format: Literal["grib", "netcdf"], kind: str | None) -> bytes:
    """Encode in the format asked for, or in the one that the fault wants."""
    if kind in ("as_grib", "as_netcdf"):
        data_format = "grib" if kind == "as_grib" else "netcdf"
    parts = split_by_step_type(reply)
    if data_format == "grib" and kind == "as_zip":
        return encode_zip({"data.grib": encode_grib(reply)})
    if data_format == "grib" and kind != "split_zip":
        return encode_grib(reply)
    if len(parts) == 1 and kind not in ("split_zip", "as_zip"):
        return encode_netcdf(reply)
    write, suffix = (encode_grib, "grib") if data_format == "grib" else (encode_netcdf, "nc")
    return encode_zip({member_name(name, suffix): write(part) for name, part in parts.items()})


def _expver(
    name: str, hours: np.ndarray, archive: Archive, kind: str | None, details: Mapping[str, Any]
) -> np.ndarray:
    """Give the release of every hour."""
    final_until = archive.final_until
    if kind == "mixed_expver":
        first = details.get("first_hour", hours[len(hours) // 2])
        final_until = np.datetime64(first, "h") - 1
        if variable(name).step_type == "accum":
            final_until = final_until + details.get("accumulated_final_hours", 0)
    if final_until is None:
        return np.full(len(hours), _FINAL)
    return np.where(hours > final_until, _PRELIMINARY, _FINAL)


def _faulty_hours(hours: np.ndarray, kind: str | None, details: Mapping[str, Any]) -> np.ndarray:
    count = details.get("count", 1)
    start = details.get("at", len(hours) // 2)
    if kind == "missing_hours" and "hours" in details:
        return hours[~np.isin(hours, np.array(details["hours"], dtype="datetime64[h]"))]
    if kind == "missing_hours":
        return np.delete(hours, slice(start, start + count))
    if kind == "duplicate_hours":
        return np.sort(np.concatenate([hours, hours[start : start + count]]))
    return hours


def _left_layers(layers: list[Layer], kind: str | None, details: Mapping[str, Any]) -> list[Layer]:
    if kind == "missing_variable":
        name = details.get("name", layers[-1].variable.name)
        return [layer for layer in layers if layer.variable.name != name]
    if kind == "missing_level":
        level = details.get("level", layers[-1].level)
        return [layer for layer in layers if layer.level != level]
    return layers


def _faulty_layer(layer: Layer, kind: str | None, details: Mapping[str, Any]) -> Layer:
    middle = len(layer.hours) // 2
    if kind == "nan":
        count = details.get("count", 1)
        return replace(layer, change=_at_hours(range(middle, middle + count), np.nan))
    if kind == "out_of_range":
        low, high = layer.variable.valid_range
        return replace(layer, change=_at_hours(range(middle, middle + 1), high + 10 * (high - low)))
    if kind == "wrong_units" and layer.units in _OTHER_UNITS:
        units, factor, offset = _OTHER_UNITS[layer.units]
        return replace(
            layer,
            units=units if details.get("declared", True) else layer.units,
            change=lambda values, first: factor * values + offset,
        )
    return layer


def _at_hours(hours: range, value: float) -> Callable[[np.ndarray, int], np.ndarray]:
    """Make a change of one point at some hours."""

    def change(values: np.ndarray, first: int) -> np.ndarray:
        changed = values.copy()
        for hour in hours:
            if first <= hour < first + len(values):
                changed[hour - first, -1, -1] = value
        return changed

    return change
