"""Which requests bring a month: exactly its hours and fields, each once, none too large."""

from collections.abc import Callable, Mapping

import numpy as np

from met2net.data.variables import variable
from pipelines.errors import DataError
from pipelines.sources.cds.request import Area, CdsRequest, DataFormat
from pipelines.sources.source import MonthRequest

__all__ = ["blocks_of_hours", "halved", "plan_month", "within_limit"]


def plan_month(
    wanted: MonthRequest, *, area: Area | None, data_format: DataFormat
) -> list[CdsRequest]:
    """Split a month into requests: one dataset, one step type and one set of levels each.

    Step types are kept apart because the service packs mixed ones into a zip, whatever was
    asked. Hours that do not fill their days become blocks of days with the same hours.
    """
    groups: dict[tuple[str, str, tuple[int, ...]], list[str]] = {}
    for name, levels in wanted.fields.items():
        table = variable(name)
        key = (table.level_kind, table.step_type, tuple(sorted(levels)))
        groups.setdefault(key, []).append(name)
    return [
        CdsRequest(
            month=wanted.month,
            level_kind=variable(names[0]).level_kind,
            variables=tuple(sorted(names)),
            levels=levels,
            days=days,
            hours=hours,
            area=area,
            data_format=data_format,
        )
        for (_, _, levels), names in sorted(groups.items())
        for days, hours in blocks_of_hours(wanted.hours)
    ]


def blocks_of_hours(hours: np.ndarray) -> list[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Give hours of one month as blocks of (days of the month, hours of day)."""
    by_day: dict[int, list[int]] = {}
    first_day = hours[0].astype("datetime64[M]").astype("datetime64[D]")
    for hour in np.sort(hours):
        day = hour.astype("datetime64[D]")
        by_day.setdefault(int((day - first_day).astype(int)) + 1, []).append(
            int((hour - day.astype("datetime64[h]")).astype(int))
        )
    days_with: dict[tuple[int, ...], list[int]] = {}
    for day_of_month, hours_of_day in by_day.items():
        days_with.setdefault(tuple(hours_of_day), []).append(day_of_month)
    return [(tuple(days), hours_of_day) for hours_of_day, days in days_with.items()]


def within_limit(
    request: CdsRequest, costs: Callable[[CdsRequest], Mapping[str, float]]
) -> list[CdsRequest]:
    """Halve a request until every piece costs no more than the service allows.

    Args:
        request: what is wanted.
        costs: gives `cost` and `limit` of a request, as the service estimates them.

    Raises:
        DataError: if a single field is too large.
    """
    found = costs(request)
    if found["cost"] <= found["limit"]:
        return [request]
    return [piece for half in halved(request) for piece in within_limit(half, costs)]


def halved(request: CdsRequest) -> tuple[CdsRequest, CdsRequest]:
    """Cut a request that the service finds too large.

    Raises:
        DataError: if it is a single field.
    """
    halves = request.halves()
    if halves is None:
        raise DataError(
            f"the Climate Data Store finds the request for {request} too large, though it is a "
            "single field; expected a field within its limits: ask for a smaller area"
        )
    return halves
