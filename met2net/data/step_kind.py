"""What a field stands for: weather at an hour, the sum of some hours, or a statistic of others.

Archives hold single analyses or forecasts: values at the hour, and sums over the hour before. A
field of another kind under the same name (a maximum, a mean, the spread of an ensemble) is in the
range of the variable as a rule, so that no check of values finds it: its file says what it is.
"""

from met2net.data.variables import Variable

__all__ = ["hours_of_sum", "hours_summed_name", "other_kind", "summed_name"]

# Types of one weather: analyses and forecasts of any kind, a control forecast. Source: ECMWF,
# MARS documentation, "type", https://codes.ecmwf.int/grib/format/mars/type/; WMO code table 1.4.
_OF_WEATHER = ("an", "fc", "af", "cf", "fa", "fg", "ia", "oi", "3v", "4v", "3g", "4g")
_UNSAID = ("unknown", "missing", "")
_HOURS_A_UNIT = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "D": 24.0}


def other_kind(
    table: Variable,
    *,
    step_type: str | None,
    data_type: str | None = None,
    member: int | None = None,
    is_derived: bool = False,
) -> str | None:
    """Say why a field is not its variable, or None where nothing speaks against it.

    Args:
        table: the variable that its name means.
        step_type: GRIB's `stepType`; None where nothing is said.
        data_type: GRIB's `dataType`, as `an`, `fc`, `es`; None where nothing is said.
        member: number of a member of an ensemble; 0 is the control.
        is_derived: whether GRIB 2 calls it derived from an ensemble's forecasts.
    """
    if step_type is not None and step_type not in (*_UNSAID, "instant", table.step_type):
        return f"stepType {step_type}; expected {table.step_type}"
    if data_type is not None and not _is_weather(data_type):
        return f"dataType {data_type}; expected an analysis or a forecast"
    if is_derived:
        return "derivedForecast, a statistic of an ensemble; expected an analysis or a forecast"
    if member:
        return f"number {member}, a member of an ensemble; expected an analysis or the control"
    return None


def hours_of_sum(table: Variable, *, step_type: str, start: int, end: int, unit: str) -> float:
    """Give the hours that a GRIB field is the sum of: 0 for what is no sum.

    A sum at step 0, or one that says it is a value at step 0, tells nothing: then the hour.
    In GRIB 1 of ECMWF, sums from the start of a forecast may say that they are values at its
    step. Source: ecCodes, definitions/grib1/stepTypeForConversion.def.

    Args:
        table: the variable.
        step_type: GRIB's `stepType`.
        start: GRIB's `startStep`.
        end: GRIB's `endStep`.
        unit: GRIB's `stepUnits`: `h`, `m`, `s` or `D`.

    Raises:
        KeyError: if the unit is none of these.
    """
    if table.step_type != "accum":
        return 0.0
    if end == 0:
        return 1.0
    first = start if step_type == "accum" else 0
    return (end - first) * _HOURS_A_UNIT[unit]


def summed_name(name: str) -> str:
    """Name a variable that is the sum of other than one hour."""
    return f"{name}_of_several_hours"


def hours_summed_name(name: str) -> str:
    """Name the coordinate along time that says of how many hours each field is the sum."""
    return f"hours_summed_{name}"


def _is_weather(data_type: str) -> bool:
    """Tell whether a type is of weather, or says nothing: a number is unknown to ecCodes."""
    return data_type in (*_OF_WEATHER, *_UNSAID) or data_type.isdigit()
