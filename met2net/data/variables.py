"""One table of meteorological variables: names, units, limits.

To ERA5's, which stand here, settings add variables of somebody's own:
`met2net.data.variable_definitions`.

Archives use the Climate Data Store's long names (`2m_temperature`), training sets use
channel labels (`t2m`, `r1000`). Everything that has to know a variable reads it here.

Source: ECMWF parameter database, https://codes.ecmwf.int/grib/param-db/, and the
ERA5 documentation, https://confluence.ecmwf.int/display/CKB/ERA5%3A+data+documentation.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

__all__ = [
    "VARIABLES",
    "Channel",
    "Variable",
    "channel",
    "is_channel",
    "known_variables",
    "required_fields",
    "variable",
    "variable_of_grib",
]


@dataclass(frozen=True)
class Variable:
    """A physical quantity as the Climate Data Store names it.

    Attributes:
        name: CDS long name, also the name in the archive.
        label: short name; a channel's label starts with it.
        grib_short_name: `shortName` in GRIB files.
        units: units of ERA5, CF style.
        long_name: text for plots and metadata.
        standard_name: CF standard name, or None where CF has none.
        level_kind: `surface` (one field an hour) or `pressure` (one a level, [hPa]).
        step_type: `instant` (valid at the hour) or `accum` (over the hour before).
        valid_range: smallest and largest value that weather on Earth can have, in `units`.
        nan_allowed: True where ERA5 itself leaves points without a value (sea surface).
        derived_from: names of the variables that it is computed from, hour by hour; empty for
            what ERA5 has itself. `pipelines.fields.derived` computes it.
        formula: how, with units and source; empty where there is nothing to compute.
    """

    name: str
    label: str
    grib_short_name: str
    units: str
    long_name: str
    standard_name: str | None
    level_kind: Literal["surface", "pressure"]
    step_type: Literal["instant", "accum"]
    valid_range: tuple[float, float]
    nan_allowed: bool = False
    derived_from: tuple[str, ...] = ()
    formula: str = ""

    @property
    def attrs(self) -> dict[str, str]:
        """CF attributes of the variable."""
        attrs = {"units": self.units, "long_name": self.long_name}
        if self.standard_name is not None:
            attrs["standard_name"] = self.standard_name
        return attrs


def _surface(
    name: str,
    label: str,
    grib: str,
    units: str,
    standard_name: str | None,
    valid_range: tuple[float, float],
    *,
    step_type: Literal["instant", "accum"] = "instant",
    nan_allowed: bool = False,
    derived_from: tuple[str, ...] = (),
    formula: str = "",
) -> Variable:
    long_name = name.replace("_", " ")
    return Variable(
        name, label, grib, units, long_name, standard_name, "surface", step_type, valid_range,
        nan_allowed, derived_from, formula,
    )  # fmt: skip


def _pressure(
    name: str, label: str, units: str, standard_name: str, valid_range: tuple[float, float]
) -> Variable:
    long_name = name.replace("_", " ")
    return Variable(
        name, label, label, units, long_name, standard_name, "pressure", "instant", valid_range
    )


# Limits are wide: they are to catch wrong units and broken files, not rare weather.
VARIABLES: tuple[Variable, ...] = (
    _surface("2m_temperature", "t2m", "2t", "K", "air_temperature", (160.0, 350.0)),
    _surface("2m_dewpoint_temperature", "d2m", "2d", "K", "dew_point_temperature", (120.0, 340.0)),
    _surface("10m_u_component_of_wind", "u10", "10u", "m s-1", "eastward_wind", (-120.0, 120.0)),
    _surface("10m_v_component_of_wind", "v10", "10v", "m s-1", "northward_wind", (-120.0, 120.0)),
    _surface(
        "mean_sea_level_pressure", "msl", "msl", "Pa", "air_pressure_at_mean_sea_level",
        (85_000.0, 110_000.0),
    ),
    _surface("surface_pressure", "sp", "sp", "Pa", "surface_air_pressure", (30_000.0, 115_000.0)),
    _surface("total_cloud_cover", "tcc", "tcc", "1", "cloud_area_fraction", (-0.01, 1.01)),
    _surface(
        "sea_surface_temperature", "sst", "sst", "K", "sea_surface_temperature", (270.9, 320.0),
        nan_allowed=True,
    ),
    _surface(
        "total_precipitation", "tp", "tp", "m", "lwe_thickness_of_precipitation_amount",
        (-1e-4, 1.0), step_type="accum",
    ),
    _surface(
        "toa_incident_solar_radiation", "tisr", "tisr", "J m-2", None, (-1.0, 6e6),
        step_type="accum",
    ),
    # ERA5 has no hourly fields of these two: they are computed on the source's own grid.
    _surface(
        "10m_wind_speed", "ws10", "10si", "m s-1", "wind_speed", (0.0, 150.0),
        derived_from=("10m_u_component_of_wind", "10m_v_component_of_wind"),
        formula="sqrt(u**2 + v**2)",
    ),
    _surface(
        "2m_relative_humidity", "rh2m", "2r", "%", "relative_humidity", (-1.0, 120.0),
        derived_from=("2m_temperature", "2m_dewpoint_temperature"),
        formula=(
            "100 e(d) / e(t), e(x) = 611.21 Pa exp(17.502 (x - 273.16 K) / (x - 32.19 K)), "
            "saturation over water at all temperatures (Buck 1981; ECMWF IFS documentation "
            "CY41R2, part IV, equation 7.5)"
        ),
    ),
    _pressure("geopotential", "z", "m2 s-2", "geopotential", (-2e4, 6e5)),
    _pressure("temperature", "t", "K", "air_temperature", (130.0, 350.0)),
    _pressure("u_component_of_wind", "u", "m s-1", "eastward_wind", (-200.0, 200.0)),
    _pressure("v_component_of_wind", "v", "m s-1", "northward_wind", (-200.0, 200.0)),
    _pressure("specific_humidity", "q", "kg kg-1", "specific_humidity", (-1e-3, 0.1)),
    _pressure("relative_humidity", "r", "%", "relative_humidity", (-20.0, 200.0)),
)  # fmt: skip

_BY_NAME = {v.name: v for v in VARIABLES}
_BY_GRIB_NAME = {v.grib_short_name: v for v in VARIABLES}
_BY_LABEL = {v.label: v for v in VARIABLES}
_PRESSURE_LABEL = re.compile(r"([a-z]+)(\d+)")

_ADDED: dict[str, Variable] = {}
"""Variables by name that this process was told of by settings, an archive, a training set or a
checkpoint; `met2net.data.variable_definitions.define` alone writes here."""


def known_variables() -> tuple[Variable, ...]:
    """Give the table and what was added to it."""
    return (*VARIABLES, *_ADDED.values())


def variable_of_grib(short_name: str) -> Variable | None:
    """Look up a variable by its GRIB short name; None where none has it."""
    return _BY_GRIB_NAME.get(short_name) or next(
        (added for added in _ADDED.values() if added.grib_short_name == short_name), None
    )


def _labels() -> Any:
    return {**{added.label: added for added in _ADDED.values()}, **_BY_LABEL}


def variable(name: str) -> Variable:
    """Look up a variable by its CDS long name.

    Raises:
        ValueError: if the table has no such name.
    """
    found = _BY_NAME.get(name) or _ADDED.get(name)
    if found is None:
        known = sorted(known.name for known in known_variables())
        raise ValueError(f"unknown variable {name!r}; known: {', '.join(known)}")
    return found


@dataclass(frozen=True)
class Channel:
    """One two-dimensional field: a variable, at a pressure level [hPa] if it has levels."""

    variable: Variable
    level: int | None

    @property
    def label(self) -> str:
        """Short label, as `t2m` or `r1000`."""
        return self.variable.label + ("" if self.level is None else str(self.level))


def channel(label: str) -> Channel:
    """Parse a channel label such as `t2m` or `r1000`.

    Raises:
        ValueError: if no variable has that label, or a level is missing.
    """
    labels = _labels()
    if label in labels and labels[label].level_kind == "surface":
        return Channel(labels[label], None)
    match = _PRESSURE_LABEL.fullmatch(label)
    if match is not None and match[1] in labels and labels[match[1]].level_kind == "pressure":
        return Channel(labels[match[1]], int(match[2]))
    known = ", ".join(
        v.label + ("<hPa>" if v.level_kind == "pressure" else "") for v in known_variables()
    )
    raise ValueError(f"unknown channel {label!r}; expected one of: {known}")


def is_channel(label: str) -> bool:
    """Tell whether a label is of weather; those of image sequences are not."""
    try:
        channel(label)
    except ValueError:
        return False
    return True


def required_fields(labels: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Give the archive fields behind channels: long name -> levels [hPa], sorted.

    A surface variable has the empty tuple.
    """
    fields: dict[str, set[int]] = {}
    for label in labels:
        parsed = channel(label)
        levels = fields.setdefault(parsed.variable.name, set())
        if parsed.level is not None:
            levels.add(parsed.level)
    return {name: tuple(sorted(levels)) for name, levels in fields.items()}
