"""Fields of a file that look like a known variable and are not: why each was left out.

They do not spoil a file: what else is there is used. Where a variable is then missing, the
message says why.
"""

from collections.abc import Iterable, Sequence

import xarray as xr

__all__ = ["because", "left_out", "with_left_out"]

_ATTRIBUTE = "left_out"
_NAMED = 3


def left_out(dataset: xr.Dataset) -> tuple[str, ...]:
    """Give what was left out of a decoded file, a sentence a field."""
    return tuple(dataset.attrs.get(_ATTRIBUTE, ()))


def with_left_out(dataset: xr.Dataset, reasons: Iterable[str]) -> xr.Dataset:
    """Note what was left out of a file, each once; datasets without are as they were."""
    each = tuple(dict.fromkeys(reasons))
    return dataset.assign_attrs({_ATTRIBUTE: each}) if each else dataset


def because(reasons: Sequence[str]) -> str:
    """Write an end to a message about something missing; of many reasons, the first few."""
    if not reasons:
        return ""
    more = f" (and {len(reasons) - _NAMED} more)" if len(reasons) > _NAMED else ""
    return f"; left out: {'; '.join(reasons[:_NAMED])}{more}"
