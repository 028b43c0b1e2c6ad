"""Pressure levels: whole hectopascals, and fields on different levels in one data set."""

import logging
from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

from pipelines.errors import DataError

__all__ = ["HELD_LEVELS", "held_levels", "side_by_side", "stacked", "with_whole_levels"]

_logger = logging.getLogger(__name__)

_TOLERANCE = 0.01  # [hPa]; float32 knows 1000 hPa to 6e-5, and pascals to as much

HELD_LEVELS = "held_levels"
"""Attribute of a field in memory that has no values on some levels of the common axis."""


def with_whole_levels(dataset: xr.Dataset, *, origin: str) -> xr.Dataset:
    """Round levels to whole hectopascals [hPa]: 849.99994 is 850.

    Levels between them (0.5 hPa) are left out with a log line: no channel can name them.

    Raises:
        DataError: if no level is whole, or they count places and are no pressures.
    """
    levels = dataset["level"].values.astype(np.float64)
    whole = np.rint(levels)
    says_nothing = not {"units", "standard_name"} & set(dataset["level"].attrs)
    counts = len(levels) > 1 and levels.tolist() == list(range(int(levels[0]), len(levels) + 1))
    if (levels <= 0).any() or (says_nothing and counts and levels[0] == 1):
        raise DataError(
            f"{origin}: found levels {', '.join(f'{level:g}' for level in levels)}; expected "
            "pressures in hPa (do these count places on the axis?)"
        )
    keep = np.abs(levels - whole) <= _TOLERANCE
    if not keep.all():
        left_out = ", ".join(f"{level:g}" for level in levels[~keep])
        if not keep.any():
            raise DataError(f"{origin}: found levels {left_out} hPa; expected whole hectopascals")
        _logger.warning("%s: levels of %s hPa left out: they are not whole", origin, left_out)
    dataset = dataset.isel(level=np.flatnonzero(keep))
    return dataset.assign_coords(level=whole[keep].astype(np.int64))


def side_by_side(fields: Mapping[str, xr.DataArray]) -> xr.Dataset:
    """Put fields on one axis of levels, with NaN on levels that a field does not have.

    Args:
        fields: the same points and hours in all; `level`, where there is one, may differ.

    Returns:
        Level increasing where a field has any. A field that lacks some says which it has in
        the attribute `HELD_LEVELS`.

    Raises:
        ValueError: if hours or points differ.
    """
    levels = sorted({level for field in fields.values() for level in held_levels(field)})
    whole = {name: _on_levels(field, levels) for name, field in fields.items()}
    merged = xr.merge(
        [field.to_dataset(name=name) for name, field in whole.items()],
        join="exact", compat="override", combine_attrs="override",
    )  # fmt: skip
    merged.attrs = {}
    return merged


def stacked(pieces: Sequence[xr.DataArray]) -> xr.DataArray:
    """Put pieces of one variable, each on levels of its own, on one axis.

    Raises:
        ValueError: if hours or points differ, or two that are not the same have a level, or the
            variable is on none.
    """
    first, *others = pieces
    others = [piece for piece in others if not piece.identical(first)]
    if not others:
        return first
    levels = [level for piece in (first, *others) for level in held_levels(piece)]
    if len(levels) != len(set(levels)) or not all(map(held_levels, others)):
        raise ValueError(f"found {first.name} more than once")
    held = [piece.sel(level=list(held_levels(piece))) for piece in (first, *others)]
    joined = xr.concat(held, dim="level", join="exact", coords="minimal", compat="override",
                       combine_attrs="override").sortby("level")  # fmt: skip
    joined["level"].attrs = first["level"].attrs
    return joined.assign_attrs({HELD_LEVELS: sorted(levels)}).transpose(*first.dims)


def held_levels(field: xr.DataArray) -> tuple[int, ...]:
    """Give the levels [hPa] on which a field has values; none for a surface variable."""
    if "level" not in field.dims:
        return ()
    return tuple(map(int, field.attrs.get(HELD_LEVELS, field["level"].values)))


def _on_levels(field: xr.DataArray, levels: Sequence[int]) -> xr.DataArray:
    """Spread a field over an axis; levels without values cost no reading."""
    held = held_levels(field)
    if not held or field["level"].values.tolist() == list(levels):
        return field
    empty = xr.full_like(field.isel(level=[0]), np.nan)
    parts = [
        field.sel(level=[level]) if level in held else empty.assign_coords(level=[level])
        for level in levels
    ]
    joined = xr.concat(parts, dim="level", join="exact", coords="minimal", compat="override",
                       combine_attrs="override")  # fmt: skip
    joined["level"].attrs = field["level"].attrs
    joined.attrs = {**field.attrs, **({HELD_LEVELS: list(held)} if len(held) < len(levels) else {})}
    return joined.transpose(*field.dims)
