import numpy as np
import pytest

from met2net.data.grid import Grid, equiangular
from pipelines.errors import DataError
from pipelines.fields.target_grids import Box, GridSettings, block, target_grid
from pipelines.fingerprint import to_plain

ONE_DEGREE = Grid(tuple(90.0 - np.arange(181.0)), tuple(np.arange(360.0)))
QUARTER_DEGREE = target_grid(ONE_DEGREE, GridSettings(resolution="0.25"))


@pytest.mark.parametrize(
    ("name", "shape", "first_latitude", "last_longitude"),
    [
        # Latitudes as WeatherBench's files have them: half a step from the pole.
        ("5.625", (32, 64), 87.1875, 354.375),
        ("2.8125", (64, 128), 88.59375, 357.1875),
        ("1.40625", (128, 256), 89.296875, 358.59375),
        ("0.25", (721, 1440), 90.0, 359.75),
    ],
)
def test_named_grids_are_exact(
    name: str, shape: tuple[int, int], first_latitude: float, last_longitude: float
):
    grid = target_grid(ONE_DEGREE, GridSettings(resolution=name))
    rows, columns = shape
    assert grid.shape == shape
    np.testing.assert_array_equal(grid.latitude, np.linspace(first_latitude, -first_latitude, rows))
    np.testing.assert_array_equal(grid.longitude, np.linspace(0.0, last_longitude, columns))


def test_a_name_means_the_same_as_its_number():
    for name in ("5.625", "2.8125", "1.40625", "0.25"):
        assert GridSettings(resolution=name) == GridSettings(resolution=float(name))
    assert target_grid(ONE_DEGREE, GridSettings(resolution=30.0)) == equiangular(30.0)


def test_written_out_axes_are_the_grid():
    wanted = GridSettings(latitude=[50, 40.5, 30], longitude=[10, 12, 20])
    assert target_grid(ONE_DEGREE, wanted) == Grid((50.0, 40.5, 30.0), (10.0, 12.0, 20.0))


def test_settings_stay_plain_values():
    plain = to_plain(GridSettings(latitude=[2, 1], longitude=np.array([10.0, 12.0])))
    assert plain["latitude"] == [2.0, 1.0]
    assert plain["longitude"] == [10.0, 12.0]
    assert to_plain(GridSettings(resolution="5.625"))["resolution"] == 5.625


def test_the_papers_box_has_128_by_128_points():
    box = Box(north=44.0, west=110.0, south=12.25, east=141.75)
    for wanted in (GridSettings(box=box), GridSettings(box=box, resolution="0.25")):
        grid = target_grid(QUARTER_DEGREE, wanted)
        assert grid.shape == (128, 128)
        assert (grid.latitude[0], grid.latitude[-1]) == (44.0, 12.25)
        assert (grid.longitude[0], grid.longitude[-1]) == (110.0, 141.75)


def test_a_block_of_the_source_is_found():
    assert block((3.0, 2.0, 1.0), (2.00001, 1.0)) == slice(1, 3)
    assert block((3.0, 2.0, 1.0), (2.0, 0.0)) is None
    assert block((3.0, 2.0, 1.0), (1.0, 0.0)) is None
    assert block((3.0, 2.0, 1.0), (3.0, 1.0)) is None


def test_western_longitudes_are_read_as_eastern():
    grid = target_grid(ONE_DEGREE, GridSettings(box=Box(north=10, west=-20, south=0, east=-10)))
    assert (grid.longitude[0], grid.longitude[-1]) == (340, 350)
    whole = target_grid(ONE_DEGREE, GridSettings(box=Box(north=90, west=-180, south=-90, east=180)))
    assert whole == ONE_DEGREE


def test_a_box_beyond_the_source_is_refused():
    source = Grid((25.0, 24.0, 23.0), (110.0, 111.0, 112.0, 113.0))
    with pytest.raises(DataError, match="expected one that holds the box 26 to 23 north"):
        target_grid(source, GridSettings(box=Box(26, 110, 23, 113)))


@pytest.mark.parametrize(
    "bounds",
    [
        (10, 0, 20, 5),
        (95, 0, 20, 5),
        (20, 5, 10, 5),
        (20, -190, 10, 5),
        (20, 80, 10, 70),
        (20, 40, 10, -100),
    ],
)
def test_impossible_box_is_refused(bounds: tuple[float, float, float, float]):
    with pytest.raises(ValueError, match="expected"):
        Box(*bounds)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"resolution": 0.0}, "expected > 0"),
        ({"resolution": "1.5"}, r"resolution is '1.5'; expected one of 5.625, 2.8125, 1.40625"),
        ({"method": "nearest"}, "method is 'nearest'; expected conservative or bilinear"),
        ({"nan_threshold": 0.0}, "nan_threshold is 0.0; expected above 0"),
        ({"nan_threshold": 1.1}, "nan_threshold is 1.1; expected above 0"),
        ({"latitude": [2.0, 1.0]}, "only latitude is given"),
        ({"longitude": [2.0, 3.0]}, "only longitude is given"),
        (
            {"latitude": [2, 1], "longitude": [2, 3], "resolution": 5.625},
            "together with box or resolution",
        ),
        ({"latitude": [1, 2], "longitude": [2, 3]}, "latitude is not strictly decreasing"),
    ],
)
def test_impossible_settings_are_refused(settings: dict, message: str):
    with pytest.raises(ValueError, match=message):
        GridSettings(**settings)


@pytest.mark.parametrize(
    ("box", "ends"),
    [
        (Box(10, -20, 0, 20), (-20, 20)),
        (Box(10, 340, 0, 20), (-20, 20)),
        (Box(10, 170, 0, -170), (170, 190)),
        (Box(10, 350, 0, 360), (350, 359)),  # as ever: 360 is 0, and stays outside
        (Box(10, -10, 0, 0), (350, 359)),
        (Box(10, -0.4, 0, 5), (0, 5)),
        (Box(10, -5, 0, 0.4), (-5, 0)),
    ],
)
def test_boxes_across_a_seam_run_on(box: Box, ends: tuple[float, float]) -> None:
    grid = target_grid(ONE_DEGREE, GridSettings(box=box))
    assert (grid.longitude[0], grid.longitude[-1]) == ends
    assert np.allclose(np.diff(grid.longitude), 1.0)
    # A source that holds the box and little more gives the same, however it counts.
    if box.east % 360:
        around = Grid(ONE_DEGREE.latitude, tuple(np.arange(ends[0], ends[1] + 1.0)))
        assert target_grid(around, GridSettings(box=box)) == grid
