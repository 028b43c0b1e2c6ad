import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.fields.target_grids import Box
from pipelines.period import Period
from pipelines.storms.checks import check_storm_settings
from tests.pipelines.storms.storm_fields import make_best, write_table

NUMBER = "2023147N16137"
MAY = Period("2023-05-28", "2023-05-31")


@pytest.fixture
def table(tmp_path):
    # From 16 N 137 E to 25.6 N 127 E.
    return write_table(tmp_path / "best.csv", make_best(), number=NUMBER)


def check(table, *, storms=(NUMBER,), channels=("t2m", "msl"), period=MAY, box=None):
    check_storm_settings(
        storms, channels=channels, split="test", period=period, box=box, table=table
    )


@pytest.mark.parametrize(
    "box",
    [
        None,
        Box(north=40, west=110, south=10, east=140),
        Box(north=40, west=-180, south=10, east=180),
        Box(north=90, west=0, south=-90, east=360),
    ],
)
def test_a_storm_inside_hours_and_box_is_accepted(table, box):
    check(table, box=box)
    check(None, storms=())


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"channels": ("t2m",)}, "found channels t2m; expected msl among them"),
        (
            {"period": Period("2023-06-01", "2023-06-30")},
            "lasted from 2023-05-27 to 2023-05-29; found the test split from 2023-06-01 to "
            "2023-06-30, which has none of it",
        ),
        (
            {"box": Box(north=40, west=110, south=10, east=120)},
            "never lies in the box of the grid \\(10 to 40 N, 110 to 120 E\\) during the test",
        ),
        # On its first day it is still south of 21 N, but that day is not in the split.
        (
            {"box": Box(north=20, west=110, south=10, east=140)},
            "never lies in the box of the grid",
        ),
        ({"storms": ("2001001N00000",)}, "found no storm 2001001N00000"),
    ],
)
def test_one_that_cannot_be_followed_is_refused_in_one_line(table, wrong, said):
    with pytest.raises(DataError, match=said) as caught:
        check(table, **wrong)
    assert "\n" not in str(caught.value)


def test_the_fixture_is_north_of_20_on_the_second_day():
    best = make_best()
    assert best.latitude[best.time >= np.datetime64("2023-05-28")].min() > 20
