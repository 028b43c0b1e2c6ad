"""Made-up weather: fast, the same for the same hour and seed, possible, and with its storm."""

import numpy as np
import pandas as pd
import pytest

from met2net.data.grid import Grid
from met2net.data.variables import VARIABLES
from pipelines.errors import DataError
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.fields.verify_month import check_content, check_structure
from pipelines.period import Month
from pipelines.sources.generated import STORM_NUMBERS, STORMS, Generated
from pipelines.sources.source import MonthRequest

JANUARY = Month(2001, 1)
EVERYTHING = {
    v.name: (500, 850) if v.level_kind == "pressure" else ()
    for v in VARIABLES
    if not v.derived_from
}
COARSE = GridSettings(resolution=30.0)


def request(hours: slice = slice(48), **fields):
    return MonthRequest(JANUARY, JANUARY.hours()[hours], fields or EVERYTHING)


def test_every_variable_is_possible_and_in_the_form_of_a_month(tmp_path) -> None:
    month = Generated(grid=COARSE).fetch(request(), tmp_path)
    dataset = month.dataset.chunk()
    check_structure(dataset, fields=EVERYTHING, hours=request().hours, grid=None)
    check_content(dataset, EVERYTHING)
    assert month.manifest["source"] == "generated"
    assert all(field.std() > 0 for field in month.dataset.data_vars.values())


def test_an_hour_depends_on_the_hour_and_the_seed_alone(tmp_path) -> None:
    source, fields = Generated(grid=COARSE), {"2m_temperature": ()}
    whole = source.fetch(request(slice(0, 12), **fields), tmp_path).dataset["2m_temperature"]
    part = source.fetch(request(slice(6, 12), **fields), tmp_path).dataset["2m_temperature"]
    np.testing.assert_array_equal(whole[6:], part)
    other = Generated(grid=COARSE, seed=1).fetch(request(slice(0, 12), **fields), tmp_path)
    assert not np.array_equal(whole, other.dataset["2m_temperature"])


def test_the_storm_is_where_its_best_track_says(tmp_path) -> None:
    table = pd.read_csv(STORMS)
    assert tuple(table["track_id"].unique()) == STORM_NUMBERS
    at = table.iloc[20]
    hour = int((pd.Timestamp(at["time"]) - pd.Timestamp("2001-01-01")).total_seconds() // 3600)
    box = GridSettings(box=Box(north=44.0, west=110.0, south=12.0, east=142.0), resolution=0.5)
    names = ("mean_sea_level_pressure", "10m_u_component_of_wind", "10m_v_component_of_wind")
    fields = Generated(grid=box, noise=0.0).fetch(
        request(slice(hour, hour + 1), **dict.fromkeys(names, ())), tmp_path
    ).dataset.isel(time=0)  # fmt: skip
    pressure = fields[names[0]]
    lowest = pressure.where(pressure == pressure.min(), drop=True)
    assert abs(float(lowest["latitude"][0]) - at["lat"]) < 1.0
    assert abs(float(lowest["longitude"][0]) - at["lon"]) < 1.0
    # Anticlockwise in the north: eastward wind south of the centre, westward north of it.
    south, north = (
        float(fields[names[1]].sel(latitude=at["lat"] + d, longitude=at["lon"], method="nearest"))
        for d in (-3, 3)
    )
    assert south > 10 > -10 > north


@pytest.mark.parametrize(
    ("settings", "message"),
    [({"seed": -1}, "seed is -1; expected at least 0"), ({"noise": -0.1}, "noise is -0.1")],
)
def test_a_wrong_setting_is_refused(settings, message) -> None:
    with pytest.raises(ValueError, match=message):
        Generated(**settings)


def test_an_unknown_variable_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="request for 10m_wind_speed; expected some of 2m_temp"):
        Generated(grid=COARSE).fetch(request(**{"10m_wind_speed": ()}), tmp_path)


def test_the_grid_is_the_one_asked_for(tmp_path) -> None:
    month = Generated(grid=COARSE).fetch(request(**{"2m_temperature": ()}), tmp_path)
    assert Grid.from_dataset(month.dataset).shape == (6, 12)
