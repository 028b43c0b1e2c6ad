from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.data.variables import VARIABLES, variable
from pipelines.errors import DataError
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.period import Month
from pipelines.sources.cds.plan import plan_month, within_limit
from pipelines.sources.cds.request import Area, CdsRequest, area_for, same_request
from pipelines.sources.source import MonthRequest

_LEVELS = (50, 150, 300, 500, 700, 850, 925, 1000)
_ARCHIVED = [v for v in VARIABLES if not v.derived_from]


@st.composite
def month_requests(draw: st.DrawFn) -> MonthRequest:
    month = Month(draw(st.integers(1940, 2030)), draw(st.integers(1, 12)))
    hours = month.hours()
    first = draw(st.integers(0, len(hours) - 1))
    last = draw(st.integers(first, len(hours) - 1))
    kept = hours[first : last + 1]
    if draw(st.booleans()):  # with holes, as where some hours are there already
        kept = kept[:: draw(st.integers(1, 30))]
    names = draw(st.lists(st.sampled_from([v.name for v in _ARCHIVED]), min_size=1, unique=True))
    levels = st.lists(st.sampled_from(_LEVELS), min_size=1, unique=True).map(sorted).map(tuple)
    fields = {n: draw(levels) if variable(n).level_kind == "pressure" else () for n in names}
    return MonthRequest(month, kept, fields)


def cells(fields: dict[str, tuple[int, ...]], times: np.ndarray) -> list[tuple[str, str, int]]:
    return [
        (str(time), name, level)
        for name, levels in fields.items()
        for level in (levels or (0,))
        for time in times
    ]


@given(wanted=month_requests(), limit=st.integers(1, 5000), weight=st.sampled_from([1, 6]))
@settings(max_examples=150, deadline=None)
def test_requests_cover_exactly_what_is_wanted_once_and_each_under_the_limit(
    wanted: MonthRequest, limit: int, weight: int
) -> None:
    limit = max(limit, weight)  # one field always fits

    def costs(request: CdsRequest) -> dict[str, float]:
        body = request.body()
        product = weight
        for name in ("variable", "day", "time", "pressure_level"):
            product *= len(body.get(name, [None]))
        return {"cost": product, "limit": limit}

    planned = plan_month(wanted, area=None, data_format="grib")
    requests = [piece for request in planned for piece in within_limit(request, costs)]
    assert all(costs(request)["cost"] <= limit for request in requests)
    for request in requests:
        assert len({variable(name).step_type for name in request.variables}) == 1
        assert len({variable(name).level_kind for name in request.variables}) == 1
    asked = Counter(cell for r in requests for cell in cells(r.fields, r.times))
    assert set(asked.values()) == {1}
    assert set(asked) == set(cells(dict(wanted.fields), wanted.hours))
    assert len({request.key for request in requests}) == len(requests)


def test_a_whole_month_of_one_kind_is_one_request() -> None:
    month = Month(2020, 2)
    wanted = MonthRequest(month, month.hours(), {"2m_temperature": (), "surface_pressure": ()})
    [request] = plan_month(wanted, area=Area(44.0, 110.0, 12.25, 141.75), data_format="grib")
    assert request.dataset == "reanalysis-era5-single-levels"
    assert request.body() == {
        "product_type": ["reanalysis"],
        "variable": ["2m_temperature", "surface_pressure"],
        "year": ["2020"],
        "month": ["02"],
        "day": [f"{day:02d}" for day in range(1, 30)],
        "time": [f"{hour:02d}:00" for hour in range(24)],
        "data_format": "grib",
        "download_format": "unarchived",
        "area": [44.0, 110.0, 12.25, 141.75],
    }


def test_a_field_that_is_too_large_alone_is_refused() -> None:
    month = Month(2020, 1)
    wanted = MonthRequest(month, month.hours()[:2], {"temperature": (500,)})
    [request] = plan_month(wanted, area=None, data_format="netcdf")
    with pytest.raises(DataError, match="temperature at 500 hPa, 2020-01-01T00 .*ask for a smalle"):
        within_limit(request, lambda _: {"cost": 6, "limit": 5})


@pytest.mark.parametrize(
    ("grid", "expected"),
    [
        (GridSettings(), None),
        (GridSettings(box=Box(44.0, 110.0, 12.25, 141.75)), Area(44.0, 110.0, 12.25, 141.75)),
        (GridSettings(box=Box(20.1, 70.1, 17.1, 73.9)), Area(20.25, 70.0, 17.0, 74.0)),
        (GridSettings(box=Box(20.0, -10.1, 17.0, -5.0)), Area(20.0, -10.25, 17.0, -5.0)),
        # Half a cell of 1.5 degrees more on every side.
        (GridSettings(box=Box(45, 110, 30, 125), resolution=1.5), Area(45.75, 109.25, 29.25, 125.75)),  # noqa: E501
        # The margin reaches the pole, and across longitude 0.
        (GridSettings(box=Box(89.9, 1, 60, 90), resolution=5), Area(90.0, -1.5, 57.5, 92.5)),
        (GridSettings(box=Box(50, 350, 40, 10)), Area(50.0, -10.0, 40.0, 10.0)),
        (GridSettings(box=Box(50, -10, 40, 10)), Area(50.0, -10.0, 40.0, 10.0)),
        (GridSettings(box=Box(-10, 170, -20, -170)), Area(-10.0, 170.0, -20.0, 190.0)),
        (GridSettings(box=Box(0, -180, -10, -170), resolution=1), Area(0.5, 179.5, -10.5, 190.5)),
        # What would begin west of -180 is the whole circle.
        (GridSettings(box=Box(50, 100, 40, 360), resolution=1), Area(50.5, 0.0, 39.5, 359.75)),
    ],
)  # fmt: skip
def test_the_area_is_rounded_outward_to_points_of_era5(
    grid: GridSettings, expected: Area | None
) -> None:
    assert area_for(grid) == expected


def test_the_area_knows_its_points() -> None:
    area = Area(44.0, 110.0, 12.25, 141.75)
    assert (len(area.latitude), len(area.longitude)) == (128, 128)
    assert (area.latitude[-1], area.longitude[-1]) == (12.25, 141.75)
    west = Area(10.0, -10.0, 9.5, -9.5).longitude
    np.testing.assert_array_equal(west, [350.0, 350.25, 350.5])


def test_requests_are_compared_by_meaning() -> None:
    month = Month(2020, 1)
    wanted = MonthRequest(month, month.hours(), {"2m_temperature": (), "surface_pressure": ()})
    [request] = plan_month(wanted, area=Area(44.0, 110.0, 43.0, 111.0), data_format="grib")
    body = request.body()
    shuffled = {**body, "day": body["day"][::-1], "year": "2020", "area": [44, 110, 43, 111]}
    assert same_request(body, shuffled)
    assert not same_request(body, {**body, "area": [44, 111, 43, 110]})
    assert not same_request(body, request.body(nocache="1"))
