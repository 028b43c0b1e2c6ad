"""Archives of variables that settings define."""

import json
from pathlib import Path

import numpy as np
import pytest

from met2net.data import variables
from met2net.data.variable_definitions import define_all
from met2net.data.variables import is_channel, variable
from pipelines.archive.check import check_archive
from pipelines.archive.ingest import ingest
from pipelines.archive.location import archive_location
from pipelines.archive.state import ArchiveState, open_archive
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from tests import builders
from tests.builders import FakeSource, make_month

FIELDS = {"2m_temperature": (), "boundary_layer_height": (), "vorticity": (850,)}
HEIGHT = {"label": "blh", "units": "m", "valid_range": [0, 15000]}
VORTICITY = {
    "label": "vo", "units": "s-1", "valid_range": [-0.01, 0.01], "level_kind": "pressure",
}  # fmt: skip


@pytest.fixture(autouse=True)
def two_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_ADDED", {})
    typical = {"boundary_layer_height": (800.0, 100.0), "vorticity": (0.0, 1e-5)}
    monkeypatch.setattr(builders, "_TYPICAL", builders._TYPICAL | typical)
    define_all({"boundary_layer_height": HEIGHT, "vorticity": VORTICITY})


def run(folder: Path) -> ArchiveState:
    return ingest(
        FakeSource(), period=Period("2016-01-31", "2016-01-31"), fields=FIELDS,
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


def test_an_archive_tells_its_variables_whoever_opens_it(tmp_path: Path):
    run(tmp_path)
    variables._ADDED.clear()
    assert not is_channel("vo850")
    archive = open_archive(tmp_path / "archive")
    assert variable("vorticity").valid_range == (-0.01, 0.01)
    expected = make_month(archive["time"].values, fields=FIELDS)
    for name in FIELDS:
        np.testing.assert_array_equal(archive[name].values, expected[name].values)
    assert archive["boundary_layer_height"].attrs["units"] == "m"
    assert list(json.loads(archive.attrs["settings"])["definitions"]) == [
        "boundary_layer_height", "vorticity",
    ]  # fmt: skip
    variables._ADDED.clear()
    assert check_archive(tmp_path / "archive") == []


def test_what_the_limits_exclude_does_not_enter(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(variables, "_ADDED", {})
    define_all(
        {"boundary_layer_height": HEIGHT | {"valid_range": [0, 850]}, "vorticity": VORTICITY}
    )
    with pytest.raises(
        DataError, match="boundary_layer_height is 8.* m at 2016-01-31T.*; expected"
    ):
        run(tmp_path)
    assert not (tmp_path / "archive").exists()


def test_another_definition_is_another_archive(tmp_path: Path, monkeypatch):
    def place(fields):
        return archive_location(
            None, tmp_path, source=FakeSource(), fields=fields, grid=GridSettings()
        )

    run(tmp_path)
    before, plain = place(FIELDS), place({"2m_temperature": ()})
    monkeypatch.setattr(variables, "_ADDED", {})
    define_all({"boundary_layer_height": HEIGHT | {"units": "km"}, "vorticity": VORTICITY})
    assert place(FIELDS) != before
    assert place({"2m_temperature": ()}) == plain  # definitions that it does not use change nothing
    with pytest.raises(DataError, match="the archive's variables are others than those of the set"):
        run(tmp_path)
    with pytest.raises(DataError, match="which is that of boundary_layer_height .blh, blh, km"):
        open_archive(tmp_path / "archive")
