"""How variables behave in time: which never repeat themselves, which rest at a bound.

A variable that is not named here is judged by nothing but its limits.
"""

from dataclasses import dataclass

__all__ = ["Habits", "habits"]

_TROPOSPHERE = 300  # [hPa]; above, humidity is near its bound and coarse in its packing


@dataclass(frozen=True)
class Habits:
    """What a variable can do.

    Attributes:
        longest_repeat: so many equal fields in a row are possible; None: any number.
        constant_repeats: whether a field of one value may stay for any time.
        rests_at: values that points may keep for any time.
        rest_tolerance: how near to them.
        shortest_rest: so many hours at another value are possible for a point that others leave
            behind; None: any number.
        zeros_end: whether days of nothing but zeros may follow days with none.
    """

    longest_repeat: int | None = None
    constant_repeats: bool = True
    rests_at: tuple[float, ...] = ()
    rest_tolerance: float = 0.0
    shortest_rest: int | None = None
    zeros_end: bool = True


_ALWAYS_MOVING = Habits(longest_repeat=2, constant_repeats=False, shortest_rest=23)
_HUMIDITY = Habits(
    longest_repeat=2, constant_repeats=False, rests_at=(0.0, 100.0), rest_tolerance=1e-3,
    shortest_rest=71, zeros_end=False,
)  # fmt: skip
_HUMIDITY_ALOFT = Habits(longest_repeat=23, zeros_end=False)
_HABITS = {
    "2m_temperature": _ALWAYS_MOVING,
    "2m_dewpoint_temperature": _ALWAYS_MOVING,
    "10m_u_component_of_wind": _ALWAYS_MOVING,
    "10m_v_component_of_wind": _ALWAYS_MOVING,
    "10m_wind_speed": _ALWAYS_MOVING,
    "2m_relative_humidity": _ALWAYS_MOVING,
    "mean_sea_level_pressure": _ALWAYS_MOVING,
    "surface_pressure": _ALWAYS_MOVING,
    "geopotential": _ALWAYS_MOVING,
    "temperature": _ALWAYS_MOVING,
    "u_component_of_wind": _ALWAYS_MOVING,
    "v_component_of_wind": _ALWAYS_MOVING,
    "specific_humidity": _HUMIDITY,
    "relative_humidity": _HUMIDITY,
    # Packed in 16 bits, a clear or a wet corner of a small region may stay for a day.
    "total_cloud_cover": Habits(
        longest_repeat=23, rests_at=(0.0, 1.0), rest_tolerance=1e-3, shortest_rest=71,
        zeros_end=False,
    ),
    "total_precipitation": Habits(
        longest_repeat=23, rests_at=(0.0,), rest_tolerance=1e-5, shortest_rest=71, zeros_end=False,
    ),
    "toa_incident_solar_radiation": Habits(
        longest_repeat=2, rests_at=(0.0,), rest_tolerance=1.0, shortest_rest=71,
    ),
    # ERA5's is renewed once a day; before 2007 it is drawn between monthly means. Under ice it
    # rests near the freezing point of sea water.
    "sea_surface_temperature": Habits(
        longest_repeat=359, rests_at=(271.4,), rest_tolerance=0.2, shortest_rest=23,
    ),
}  # fmt: skip


def habits(name: str, level: int | None) -> Habits:
    """Give the habits of a variable, at a level [hPa] if it has levels."""
    found = _HABITS.get(name, Habits())
    if found is _HUMIDITY and level is not None and level < _TROPOSPHERE:
        return _HUMIDITY_ALOFT
    return found
