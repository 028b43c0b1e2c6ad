"""Variables of somebody's own: defined by settings, and carried by all that holds their fields.

A definition enters a process from a configuration, or from an archive, a training set or a
checkpoint that is opened there: each says what it holds, so that no one who reads it needs the
settings that made it.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from met2net.data import variables
from met2net.data.variables import (
    VARIABLES,
    Variable,
    channel,
    is_channel,
    known_variables,
    variable,
)

__all__ = ["DEFINITIONS", "Definition", "define", "define_all", "definitions_of"]

DEFINITIONS = "definitions"
"""Name of definitions in settings, attributes and checkpoints."""

_NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
_SURFACE_LABEL = re.compile(r"[a-z][a-z0-9_]*")
_PRESSURE_LABEL = re.compile(r"[a-z]+")  # digits after it are the level
_BUILT_IN = frozenset(table.name for table in VARIABLES)


@dataclass(frozen=True)
class Definition:
    """A variable as a configuration writes it; its name is the key that it stands under.

    Attributes:
        label: short name; a channel's label is this, on pressure levels with the level after it.
        units: as the archive keeps it, CF style; files must have them.
        valid_range: smallest and largest value that weather can have, in `units`.
        level_kind: `surface` (one field a time) or `pressure` (one a level, [hPa]).
        step_type: `instant` (valid at the time) or `accum` (over the hour before).
        grib_short_name: `shortName` in GRIB files; None: the label.
        long_name: text for plots and metadata; None: the name with spaces.
        standard_name: CF standard name, or None where CF has none.
        nan_allowed: True where points may be without a value.

    Raises:
        ValueError: if label, units or limits cannot be used.
    """

    label: str
    units: str
    valid_range: Sequence[float | int]
    level_kind: Literal["surface", "pressure"] = "surface"
    step_type: Literal["instant", "accum"] = "instant"
    grib_short_name: str | None = None
    long_name: str | None = None
    standard_name: str | None = None
    nan_allowed: bool = False

    def __post_init__(self) -> None:
        """Check label, units and limits."""
        form = _SURFACE_LABEL if self.level_kind == "surface" else _PRESSURE_LABEL
        if form.fullmatch(self.label) is None:
            letters = "small letters" + ("" if form is _PRESSURE_LABEL else ", digits and _")
            raise ValueError(f"label is {self.label!r}; expected {letters}")
        if not self.units.strip():
            raise ValueError("units is empty; expected units, or 1 for a number without any")
        limits = tuple(float(limit) for limit in self.valid_range)
        if len(limits) != 2 or not all(map(math.isfinite, limits)) or limits[0] >= limits[1]:
            raise ValueError(
                f"valid_range is {list(self.valid_range)}; expected the smallest and the largest "
                "possible value"
            )
        object.__setattr__(self, "valid_range", limits)

    def named(self, name: str) -> Variable:
        """Give the variable of this definition.

        Raises:
            ValueError: if the name cannot be used.
        """
        if _NAME.fullmatch(name) is None:
            raise ValueError(f"name is {name!r}; expected small letters, digits and _, as CDS has")
        low, high = self.valid_range
        return Variable(
            name=name,
            label=self.label,
            grib_short_name=self.grib_short_name or self.label,
            units=self.units,
            long_name=self.long_name or name.replace("_", " "),
            standard_name=self.standard_name,
            level_kind=self.level_kind,
            step_type=self.step_type,
            valid_range=(low, high),
            nan_allowed=self.nan_allowed,
        )


def define(added: Variable) -> None:
    """Add a variable to those that this process knows; the same one again changes nothing.

    Raises:
        ValueError: if name, label or GRIB short name is that of another variable.
    """
    if added in known_variables():
        return
    for known in known_variables():
        for key in ("name", "label", "grib_short_name"):
            if getattr(known, key) == getattr(added, key):
                raise ValueError(
                    f"{added.name} has {key} {getattr(added, key)!r}, which is that of "
                    f"{_described(known)}; expected one of its own"
                )
    if is_channel(added.label):  # a surface variable `t850`
        other = channel(added.label).variable
        raise ValueError(
            f"{added.name} has label {added.label!r}, which is {other.name} on a level; expected "
            "one of its own"
        )
    variables._ADDED[added.name] = added


def define_all(definitions: Mapping[str, Mapping[str, Any]]) -> None:
    """Add variables from plain values as `definitions_of` gives them.

    Raises:
        ValueError: as `Definition` and `define`.
    """
    for name, plain in definitions.items():
        define(Definition(**plain).named(name))


def definitions_of(names: Iterable[str]) -> dict[str, dict[str, Any]]:
    """Give the definitions, as plain JSON values, of those variables that are not ERA5's here.

    Args:
        names: CDS long names.

    Raises:
        ValueError: if a name is not known.
    """
    own = [variable(name) for name in names if name not in _BUILT_IN]
    return {table.name: _plain(table) for table in own}


def _plain(table: Variable) -> dict[str, Any]:
    plain = asdict(table)
    for key in ("name", "derived_from", "formula"):
        del plain[key]
    return {**plain, "valid_range": list(table.valid_range)}


def _described(known: Variable) -> str:
    """Name a variable, with what else than a name may differ."""
    return (
        f"{known.name} ({known.label}, {known.grib_short_name}, {known.units}, {known.valid_range})"
    )
