"""Rows or columns that are missing are never bridged, whatever the method."""

import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import Grid, equiangular
from pipelines.errors import DataError
from pipelines.fields.axis_gaps import refuse_gaps
from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import Box, GridSettings

ROWS = tuple(25.0 - 0.25 * np.arange(21))
COLUMNS = tuple(113.0 + 0.25 * np.arange(17))


def without(axis: tuple[float, ...], *missing: float) -> tuple[float, ...]:
    return tuple(point for point in axis if point not in missing)


def field(grid: Grid) -> xr.Dataset:
    return xr.Dataset(
        {"2m_temperature": (("latitude", "longitude"), np.zeros(grid.shape))},
        coords={"latitude": list(grid.latitude), "longitude": list(grid.longitude)},
    )


HOLES = {
    "rows": (Grid(without(ROWS, 22.75, 22.5, 22.25), COLUMNS), "latitude 22 and 23"),
    "a row": (Grid(without(ROWS, 22.5), COLUMNS), "latitude 22.25 and 22.75"),
    "the row before the last": (Grid(without(ROWS, 20.25), COLUMNS), "latitude 20 and 20.5"),
    "columns": (Grid(ROWS, without(COLUMNS, 115.0, 115.25)), "longitude 114.75 and 115.5"),
}
WANTED = {
    "as it is": GridSettings(),
    "crop": GridSettings(box=Box(25, 113, 20, 117)),
    "means": GridSettings(box=Box(24.5, 113.5, 20.5, 116.5), resolution=0.5),
    "bilinear": GridSettings(
        box=Box(24.9, 113.1, 20.1, 116.9), resolution=0.4, method="bilinear"
    ),
}  # fmt: skip


@pytest.mark.parametrize("wanted", WANTED.values(), ids=WANTED)
@pytest.mark.parametrize(("source", "place"), HOLES.values(), ids=HOLES)
def test_a_hole_inside_the_wanted_grid_is_refused(
    source: Grid, place: str, wanted: GridSettings
) -> None:
    with pytest.raises(DataError, match=f"the source has no points between {place}, 0.25 degrees"):
        regrid(field(source), wanted)


@pytest.mark.parametrize("wanted", [
    GridSettings(box=Box(25, 113, 23, 117)),
    GridSettings(box=Box(24.5, 113.5, 23.5, 116.5), resolution=0.5),
    GridSettings(box=Box(24.9, 113.1, 23.0, 116.9), resolution=0.19, method="bilinear"),
])  # fmt: skip
def test_a_grid_on_one_side_of_a_hole_is_served(wanted: GridSettings) -> None:
    source, _ = HOLES["rows"]
    assert regrid(field(source), wanted)["2m_temperature"].notnull().all()


def test_area_means_keep_off_the_edge_of_a_hole_and_points_do_not() -> None:
    source, _ = HOLES["rows"]
    # The last cell ends at 22.75, a cell's half beyond the tile's own end, 22.875.
    with pytest.raises(DataError, match="no points between latitude 22 and 23"):
        regrid(field(source), GridSettings(box=Box(25, 113.5, 23, 116.5), resolution=0.5))


def test_uneven_axes_of_real_grids_have_no_hole() -> None:
    gaussian = Grid((85.76, 80.27, 74.74, 69.21), tuple(5.625 * np.arange(64)))
    half_cells_at_the_poles = Grid((89.0, 86.0, 82.0, 78.0), tuple(5.0 * np.arange(72)))
    for grid in (gaussian, half_cells_at_the_poles, equiangular(5.625)):
        for method in (None, "bilinear", "conservative"):
            refuse_gaps(grid, grid, method=method)


def test_a_hole_is_found_in_another_turn_of_longitudes() -> None:
    source = Grid((1.0, 0.0), without(tuple(np.arange(-5.0, 6.0)), 2.0))
    with pytest.raises(DataError, match="between longitude 1 and 3"):
        refuse_gaps(source, Grid((1.0, 0.0), (1.0, 2.0, 3.0)), method="bilinear")
    refuse_gaps(source, Grid((1.0, 0.0), (356.0, 357.0)), method="bilinear")
