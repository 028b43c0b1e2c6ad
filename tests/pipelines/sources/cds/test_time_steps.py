"""Requests of every so many hours: what is asked, what it costs, and where the answer lies."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from met2net.data import variables
from met2net.data.variable_definitions import define_all
from pipelines.forecasting.inputs import read_source
from pipelines.period import Month
from pipelines.sources.cds.month_folder import month_folder
from pipelines.sources.cds.plan import plan_month
from pipelines.sources.cds.request import Area
from pipelines.sources.source import MonthRequest
from tests.climate_data_store.selection import request_cost
from tests.climate_data_store.server import ClimateDataStore
from tests.pipelines.sources.cds.acquiring import (
    FEBRUARY,
    SMALL,
    TEMPERATURE,
    assert_fields_are_the_stores,
    month_request,
    quick_cds,
)

AREA = Area(44.0, 110.0, 43.5, 110.5)
EVERY_SIX = MonthRequest(FEBRUARY, FEBRUARY.hours(6), TEMPERATURE)


def test_a_step_is_a_list_of_times_and_costs_as_much_less() -> None:
    [every_hour] = plan_month(month_request(), area=AREA, data_format="grib")
    [every_six] = plan_month(EVERY_SIX, area=AREA, data_format="grib")
    assert every_six.body() == every_hour.body() | {"time": ["00:00", "06:00", "12:00", "18:00"]}
    np.testing.assert_array_equal(every_six.times, FEBRUARY.hours(6))
    costs = [request_cost(one.body(), {"grib": 1}) for one in (every_hour, every_six)]
    assert costs == [28 * 24, 28 * 4]
    daily = MonthRequest(FEBRUARY, FEBRUARY.hours(24), TEMPERATURE)
    assert plan_month(daily, area=AREA, data_format="grib")[0].body()["time"] == ["00:00"]


def test_every_step_of_a_month_has_a_folder_of_its_own(tmp_path: Path) -> None:
    def name(hours: np.ndarray) -> str:
        return month_folder(tmp_path, MonthRequest(FEBRUARY, hours, TEMPERATURE)).name

    whole = [name(FEBRUARY.hours(step)) for step in (1, 3, 6, 12, 24)]
    assert whole == ["2021-02", "2021-02_3h", "2021-02_6h", "2021-02_12h", "2021-02_24h"]
    assert name(FEBRUARY.hours(6)[:8]) == "2021-02_01T00_02T18_6h"
    assert name(FEBRUARY.hours()[:43]) == "2021-02_01T00_02T18"  # as before steps were known
    assert name(FEBRUARY.hours()[:1]) == "2021-02_01T00_01T00"
    uneven = [name(FEBRUARY.hours()[[0, 1, last]]) for last in (5, 6)]
    assert len({*uneven, name(FEBRUARY.hours()[:6])}) == 3


def test_a_month_of_every_six_hours_is_one_request_and_right(
    open_store: Callable[..., ClimateDataStore], tmp_path: Path
) -> None:
    store = open_store()
    cds = quick_cds()
    month = cds.fetch(EVERY_SIX, tmp_path)
    np.testing.assert_array_equal(month.dataset["time"].values, EVERY_SIX.hours)
    assert_fields_are_the_stores(month.dataset)
    cds.fetch(EVERY_SIX, tmp_path)
    assert len(store.submissions) == 1
    # The hourly month is asked for, and is not taken for the other.
    whole = cds.fetch(month_request(), tmp_path)
    np.testing.assert_array_equal(whole.dataset["time"].values, FEBRUARY.hours())
    assert len(store.submissions) == 2


def test_the_hours_of_a_forecast_are_asked_for_by_name(
    open_store: Callable[..., ClimateDataStore], tmp_path: Path
) -> None:
    store = open_store()
    hours = np.datetime64("2021-02-01T06", "ns") + np.array([-18, -12, -6, 0], "timedelta64[h]")
    found = read_source(
        quick_cds(), fields=TEMPERATURE, grid=SMALL, hours=hours, raw_folder=tmp_path
    )
    np.testing.assert_array_equal(found["time"].values, hours)
    asked = [(request["month"], request["day"], request["time"])
             for _, request in store.submissions]  # fmt: skip
    assert asked == [
        (["01"], ["31"], ["12:00", "18:00"]), (["02"], ["01"], ["00:00", "06:00"]),
    ]  # fmt: skip


def test_a_defined_variable_is_asked_for_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_ADDED", {})
    define_all(
        {
            "vorticity": {
                "label": "vo", "units": "s-1", "valid_range": [-0.01, 0.01],
                "level_kind": "pressure",
            },
            "large_scale_precipitation": {
                "label": "lsp", "units": "m", "valid_range": [-0.001, 1], "step_type": "accum",
            },
            "boundary_layer_height": {"label": "blh", "units": "m", "valid_range": [0, 15000]},
        }
    )  # fmt: skip
    january = Month(2021, 1)
    wanted = MonthRequest(
        january, january.hours(6),
        {"vorticity": (850,), "large_scale_precipitation": (), "boundary_layer_height": ()},
    )  # fmt: skip
    planned = plan_month(wanted, area=None, data_format="grib")
    assert sorted((one.dataset, one.variables, one.levels) for one in planned) == [
        ("reanalysis-era5-pressure-levels", ("vorticity",), (850,)),
        # Accumulations are kept apart.
        ("reanalysis-era5-single-levels", ("boundary_layer_height",), ()),
        ("reanalysis-era5-single-levels", ("large_scale_precipitation",), ()),
    ]
