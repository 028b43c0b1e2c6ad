"""Odd inputs made after public bug reports: axes, times, levels, damage. Right, or refused."""

import logging
from pathlib import Path

import netCDF4
import numpy as np
import pytest

from pipelines.archive.ingest import ingest
from pipelines.archive.state import current_state, open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.period import Period
from pipelines.sources.files import Files
from tests.bad_input.refusals import assert_explained, tree

ODD = Path(__file__).parents[2].parent / "shared" / "data" / "odd-inputs"
pytestmark = pytest.mark.skipif(
    not ODD.is_dir(), reason="the odd inputs (../shared/data/odd-inputs) are not here"
)
T2M = {"2m_temperature": ()}
APRIL = Period("2026-04-01", "2026-04-02")
TILES = GridSettings(box=Box(24.5, 113.5, 20.5, 116.5), resolution=0.5)


def bring_in(name: str, folder: Path, *, fields=T2M, period=APRIL, grid=None) -> None:
    ingest(
        Files(str(ODD / name)), period=period, fields=fields, grid=grid or GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


def stored(path: str, name: str) -> np.ndarray:
    """Read a variable by the netCDF library alone."""
    with netCDF4.Dataset(ODD / path) as dataset:
        return np.asarray(dataset[name][:])


REFUSED = {
    "axes-without-values": ("nocoords.nc", "a dimension latitude of 21 without values", {}),
    "axes-in-radians": ("rad.nc", "found latitude in 'radian'; expected 'degrees_north'", {}),
    "rotated-pole": ("rot.nc", "found latitude that is 'grid_latitude'", {}),
    "calendar-360-day": (
        "feb.nc", "in the calendar '360_day'; expected", {"period": Period("2025-02", "2025-02")}
    ),
    "damaged-chunk": ("bad.nc", "found a broken netCDF file", {}),
    "tiles-with-a-hole": ("n.nc", "no points between latitude 22 and 23", {"grid": TILES}),
}  # fmt: skip


@pytest.mark.parametrize(("name", "case"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_right_is_refused_and_changes_nothing(
    tmp_path: Path, name: str, case: tuple
) -> None:
    file, text, settings = case
    before = tree(ODD / name)
    with pytest.raises(DataError, match=text) as caught:
        bring_in(name, tmp_path, **settings)
    assert_explained(caught.value)
    assert file in str(caught.value)
    assert tree(ODD / name) == before
    state = current_state(tmp_path / "archive")
    assert state is None or state.months == ()


@pytest.mark.parametrize("grid", [
    GridSettings(box=Box(24.5, 113.5, 20.5, 116.5)),
    GridSettings(box=Box(24.5, 113.5, 20.5, 116.5), resolution=0.3, method="bilinear"),
])  # fmt: skip
def test_a_hole_is_refused_in_a_crop_and_between_points(tmp_path: Path, grid) -> None:
    with pytest.raises(DataError, match="no points between latitude 22 and 23"):
        bring_in("tiles-with-a-hole", tmp_path, grid=grid)


@pytest.mark.parametrize(
    ("name", "good", "left_out"),
    [
        ("zero-records", "good.nc", "empty_records.nc: left out t2m, of no hour"),
        ("invariant-beside", "t2m.nc", "geo.nc: left out z, which has no time"),
    ],
)
def test_a_file_that_holds_nothing_is_named_in_the_log_and_the_other_is_right(
    tmp_path: Path, name: str, good: str, left_out: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        bring_in(name, tmp_path)
    assert left_out in caplog.text
    found = open_archive(tmp_path / "archive")["2m_temperature"]
    np.testing.assert_array_equal(found.values, stored(f"{name}/{good}", "t2m"))


def test_a_level_with_noise_is_the_level_that_it_means(tmp_path: Path) -> None:
    bring_in("levels-with-noise", tmp_path, fields={"temperature": (850,)})
    found = open_archive(tmp_path / "archive")["temperature"]
    assert found["level"].values.tolist() == [850]
    assert stored("levels-with-noise/pl.nc", "level")[0] != 850.0
    np.testing.assert_array_equal(
        found.values[:, 0], stored("levels-with-noise/pl.nc", "t")[:, 0]
    )  # fmt: skip


def test_variables_on_levels_of_their_own_in_files_of_their_own(tmp_path: Path) -> None:
    bring_in("levels-differ", tmp_path, fields={"geopotential": (500,), "temperature": (850,)})
    found = open_archive(tmp_path / "archive")
    for name, short, level, file in (
        ("geopotential", "z", 500, "z500.nc"), ("temperature", "t", 850, "t850.nc"),
    ):  # fmt: skip
        np.testing.assert_array_equal(
            found[name].sel(level=level).values, stored(f"levels-differ/{file}", short)[:, 0]
        )
