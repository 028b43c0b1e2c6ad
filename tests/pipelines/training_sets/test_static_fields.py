"""Static fields lie beside a training set, on its grid, and change nothing of the set itself."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.static_field_file import static_field_file
from met2net.data.static_fields import STATIC_VARIABLES
from met2net.data.training_set import TrainingSet
from met2net.models.build import build
from met2net.models.known_inputs import KnownInputs
from met2net.models.met2net import Met2Net
from met2net.models.own_classes import settings_of
from met2net.training.references import set_references
from pipelines.errors import DataError
from pipelines.fields.target_grids import GridSettings
from pipelines.fingerprint import content_sha256
from pipelines.sources.static_source import RawStatic
from pipelines.training.network_grid import network_on_grid
from pipelines.training_sets import static_fields as module
from pipelines.training_sets.static_fields import keep_static_fields
from tests.builders import SMALL_GRID, FakeSource
from tests.pipelines.small_project import VARIABLES, WINDOW, make_training_set

GRID = GridSettings()
BOTH = ("orography", "land_sea_mask")


@dataclass(frozen=True)
class Ground(FakeSource):
    """A fake source with a ground: in the east of its grid `height`, all of it land."""

    height: float = 500.0

    def fetch_static(self, names, raw_folder):
        values = {
            "orography": np.full(self.grid.shape, self.height), "land_sea_mask":
            np.ones(self.grid.shape),
        }  # fmt: skip
        values["orography"][:, 0] = 0.0
        axes = {"latitude": list(self.grid.latitude), "longitude": list(self.grid.longitude)}
        return {
            name: RawStatic(
                xr.DataArray(values[name], axes, ("latitude", "longitude"), name,
                             STATIC_VARIABLES[name].attrs),
                {"source": self.name},
            )
            for name in names
        }  # fmt: skip


@pytest.fixture(scope="module")
def training_set(tmp_path_factory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("project"))


def keep(training_set: Path, source=Ground(), names=BOTH, **changes) -> TrainingSet:  # noqa: B008
    raw = training_set.parent.parent / "raw-static"
    arguments = {"source": source, "grid": GRID, "raw_folder": raw, **changes}
    keep_static_fields(training_set, names, **arguments)
    return TrainingSet.open(training_set)


def network(fields=BOTH):
    return settings_of(
        KnownInputs, fields=list(fields), input_hours=[0], target_hours=[0], latitude=[0.0],
        longitude=[0.0], variables={name: list(labels) for name, labels in VARIABLES.items()},
        forecaster=settings_of(
            Met2Net, _partial_=True, num_inputs=3, num_targets=2, spatial_dim=4, latent_dim=8,
            num_blocks=1, num_heads=2,
        ),
    )  # fmt: skip


def test_they_lie_beside_the_set_which_stays_as_it_was(training_set: Path) -> None:
    before = content_sha256(training_set)
    keep(training_set, names=())
    assert not list(training_set.parent.glob("*.safetensors"))
    data = keep(training_set)
    assert content_sha256(training_set) == before
    field = data.static_field("orography")
    assert field.grid == data.grid and field.values.dtype == np.float32
    assert np.unique(field.values[:, 0]).tolist() == [0]
    assert np.unique(field.values[:, 1:]).tolist() == [500]
    assert field.provenance["regridding"] == "conservative"
    assert json.loads(field.provenance["raw"]) == {"source": "fake"}
    names = {path.name for path in training_set.parent.glob("*.safetensors")}
    assert names == {f"{training_set.stem}.{name}.safetensors" for name in BOTH}


def test_they_are_written_once_and_anew_where_values_or_a_file_changed(training_set: Path) -> None:
    keep(training_set)
    path = static_field_file(training_set, "orography")
    written = path.stat().st_mtime_ns
    keep(training_set)
    assert path.stat().st_mtime_ns == written
    assert keep(training_set, Ground(height=900.0)).static_field("orography").values.max() == 900
    path.write_bytes(b"half")
    with pytest.raises(ValueError, match="is damaged or no static field"):
        TrainingSet.open(training_set).static_field("orography")
    assert keep(training_set).static_field("orography").values.max() == 500


def test_an_interrupted_write_leaves_what_was_there(training_set: Path, monkeypatch) -> None:
    keep(training_set)

    def half(path: Path, field) -> None:
        path.write_bytes(b"half")
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_static_field", half)
    with pytest.raises(KeyboardInterrupt):
        keep(training_set, Ground(height=900.0))
    assert TrainingSet.open(training_set).static_field("orography").values.max() == 500
    assert not [path for path in training_set.parent.iterdir() if path.name.endswith(".part")]


def finer(grid: Grid, times: int) -> Grid:
    """Cut every cell in pieces, and go on for some beyond the edges."""
    axes = []
    for axis in (grid.latitude, grid.longitude):
        step = (axis[1] - axis[0]) / times
        axes.append(axis[0] + step * (np.arange((len(axis) + 2) * times) - 1.5 * times + 0.5))
    return Grid(*(tuple(map(float, axis)) for axis in axes))


@pytest.mark.parametrize("method", ["conservative", "bilinear"])
def test_regridding_is_that_of_the_weather_and_keeps_a_constant(training_set, method) -> None:
    source = Ground(grid=finer(SMALL_GRID, 2), height=0.0)
    data = keep(training_set, source, grid=GridSettings(method=method))
    np.testing.assert_allclose(data.static_field("land_sea_mask").values, 1.0, rtol=1e-6)
    assert data.static_field("land_sea_mask").grid == data.grid
    assert data.static_field("land_sea_mask").provenance["regridding"] == method


def test_a_ground_that_does_not_cover_the_grid_or_is_none_is_refused(training_set: Path) -> None:
    with pytest.raises(DataError, match="expected"):
        keep(training_set, Ground(grid=Grid(SMALL_GRID.latitude, SMALL_GRID.longitude[:2])))
    with pytest.raises(DataError, match="orography goes from 0 to 90000 m; expected -1000 to 9000"):
        keep(training_set, Ground(height=9e4))
    with pytest.raises(DataError, match="source fake has no static fields"):
        keep(training_set, FakeSource())


def test_a_network_is_built_for_the_values_beside_its_set(training_set: Path) -> None:
    data = keep(training_set)
    settings = network_on_grid(network(), training_set, window=WINDOW)
    assert settings["static"] == data.static_contents(BOTH)
    built = build(settings)
    set_references(built, data, window=WINDOW, ridge=lambda: pytest.fail("no ridge is needed"))
    assert built.static_fields[0].max().item() == 0.5  # kilometres
    assert built.static_fields[1].unique().tolist() == [1.0]
    higher = keep(training_set, Ground(height=900.0))
    other = network_on_grid(network(), training_set, window=WINDOW)
    assert other["static"]["orography"] != settings["static"]["orography"]
    assert other["static"]["land_sea_mask"] == settings["static"]["land_sea_mask"]
    with pytest.raises(ValueError, match="for which the network was built"):
        set_references(build(settings), higher, window=WINDOW, ridge=lambda: pytest.fail("none"))


def test_a_set_without_them_is_told_in_one_line(training_set: Path, tmp_path: Path) -> None:
    (tmp_path / "set.zarr").symlink_to(training_set)
    with pytest.raises(
        DataError, match=r"found no file .*set.orography.safetensors; expected orog"
    ):
        network_on_grid(network(), tmp_path / "set.zarr", window=WINDOW)
    assert "static" not in network_on_grid(network(["latitude"]), training_set, window=WINDOW)
