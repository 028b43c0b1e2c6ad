from dataclasses import replace

import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.report.storm_example import draw_example, made_up_analysis, main
from tests.pipelines.storms.storm_fields import make_best, write_table

NUMBER = "2023147N16137"


def known_best(hours):
    best = make_best(hours)
    return replace(best, pressure=np.full(len(best), 96_000.0))


@pytest.fixture
def table(tmp_path):
    return write_table(tmp_path / "best.csv", known_best(24), number=NUMBER)


def test_the_tracker_finds_the_vortex_on_its_best_track(table, tmp_path):
    told = draw_example(NUMBER, out=tmp_path, table=table)
    assert told.startswith(f"{NUMBER}: found at 25 of 25 hours, ")
    names = {path.name for path in tmp_path.iterdir()}
    start = f"storm_{NUMBER.lower()}"
    assert {f"{start}_track.png", f"{start}_intensity.png"} <= names
    with xr.open_dataset(tmp_path / f"tracks_{NUMBER.lower()}.nc") as tracks:
        found = tracks.sel(time=tracks["best_time"].values)
        for name in ("latitude", "longitude"):
            # A third of a cell of 0.25 degrees, through weather and noise.
            np.testing.assert_allclose(
                found[f"analysis_{name}"], tracks[f"best_{name}"].values, atol=0.08
            )


@pytest.mark.parametrize("east", [0.0, 231.0])
def test_wind_turns_as_on_the_hemisphere_and_pressure_is_that_of_the_best_track(east):
    best = known_best(6)
    best = replace(best, longitude=(best.longitude + east) % 360)
    fields = made_up_analysis(best).isel(time=0)
    centre = fields["mean_sea_level_pressure"]
    assert float(centre.min()) == pytest.approx(96_000, abs=800)
    latitude, longitude = float(best.latitude[0]), float(best.longitude[0])
    right = fields.sel(latitude=latitude, longitude=(longitude + 1) % 360, method="nearest")
    assert float(right["10m_v_component_of_wind"]) > 10  # in the north: northward in the east
    south = made_up_analysis(replace(best, latitude=-best.latitude)).isel(time=0)
    right = south.sel(latitude=-latitude, longitude=(longitude + 1) % 360, method="nearest")
    assert float(right["10m_v_component_of_wind"]) < -10


def test_the_command_says_what_is_wrong_in_one_line(capsys, tmp_path):
    assert main(["--storm", "Nobody", "--out", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: unknown storm 'Nobody'; expected one of Mawar 2023")
    assert error.count("\n") == 1
    with pytest.raises(DataError, match="fewer than 2 pressures"):
        made_up_analysis(make_best(6))
