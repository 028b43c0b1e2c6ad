"""What maps of forecasts show: at which lead times, with which coastlines."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.maps.coastlines import AUTO, Coastlines

__all__ = ["MapSettings"]


@dataclass(frozen=True)
class MapSettings:
    """How maps are drawn; no score depends on it.

    Attributes:
        lead_hours: lead times that are drawn, a row each [hours, or frames of image
            sequences]; empty: the first, the middle and the last.
        coastlines: `auto`, `none` or a GeoJSON file, see `pipelines.maps.coastlines`.

    Raises:
        ValueError: if a lead time stands twice, or a value is of another kind.
        DataError: if the file of coastlines is none.
    """

    lead_hours: Sequence[int] = ()
    coastlines: str = AUTO

    def __post_init__(self) -> None:
        """Check what can be checked without a window."""
        given: object = self.lead_hours
        if not isinstance(given, Sequence) or isinstance(given, str):
            raise ValueError(f"maps.lead_hours is {given!r}; expected a list, as [6, 24]")
        hours = tuple(self.lead_hours)
        if len(set(hours)) < len(hours):
            raise ValueError(f"maps.lead_hours are {_listed(hours)}; expected each once")
        object.__setattr__(self, "lead_hours", hours)
        if not isinstance(self.coastlines, str):
            raise ValueError(
                f"maps.coastlines is {self.coastlines!r}; expected auto, none or a GeoJSON file"
            )
        self.coast  # noqa: B018 - reads the file

    @property
    def coast(self) -> Coastlines:
        """Where coastlines come from."""
        return Coastlines(self.coastlines)

    def shown(self, target_hours: Sequence[int]) -> list[int]:
        """Give the places of the drawn lead times among those of a window.

        Raises:
            ValueError: if the window lacks one.
        """
        hours = [int(hour) for hour in target_hours]
        absent = [hour for hour in self.lead_hours if hour not in hours]
        if absent:
            raise ValueError(
                f"maps.lead_hours has {_listed(absent)}; expected some of the window's: "
                f"{_listed(hours)}"
            )
        if self.lead_hours:
            return sorted(hours.index(hour) for hour in self.lead_hours)
        return sorted({0, (len(hours) - 1) // 2, len(hours) - 1})


def _listed(hours: Sequence[int]) -> str:
    return ", ".join(map(str, hours))
