from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr

from met2net.checkpoint import load_checkpoint, save_checkpoint
from met2net.data.training_set import TrainingSet
from met2net.models.build import build
from pipelines.archive.ingest import ingest
from pipelines.errors import DataError
from pipelines.evaluation.settings import EvaluationSettings
from pipelines.fields.target_grids import GridSettings
from pipelines.figures import draw_run
from pipelines.period import Period
from pipelines.report.storms import storm_tables
from pipelines.report.table import UNDEFINED
from pipelines.sources.source import RawMonth
from pipelines.storms.best_tracks import MAWAR, Storm, find_storm
from pipelines.storms.checks import check_storms
from pipelines.storms.follow import storm_file, track_storms
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import FakeSource
from tests.pipelines.small_project import WINDOW, make_checkpoint, make_training_set
from tests.pipelines.storms.storm_fields import GRID, fields_along, make_best, position, write_table
from tests.pipelines.synthetic_run import make_scores

NUMBER = "2023147N16137"
START = np.datetime64("2023-05-27T00")
FIELDS = {
    "mean_sea_level_pressure": (), "10m_u_component_of_wind": (), "10m_v_component_of_wind": (),
}  # fmt: skip


@dataclass(frozen=True)
class StormSource(FakeSource):
    """The storm of `storm_fields` with a little noise; it stands still before its first day."""

    def fetch(self, request, raw_folder):
        month = super().fetch(request, raw_folder)
        hours = (request.hours - START) / np.timedelta64(1, "h")
        fields = fields_along(*position(np.clip(hours, 0, None)), grid=GRID)
        rng = np.random.default_rng(0)
        dataset = month.dataset.copy()
        for name in dataset.data_vars:
            noise = rng.normal(size=fields[name].shape, scale=0.5)
            values = (fields[name].values + noise).astype(np.float32)
            dataset[name] = (dataset[name].dims, values, dataset[name].attrs)
        return RawMonth(dataset, month.manifest)


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    archive = ingest(
        StormSource(grid=GRID),
        period=Period("2023-05-25", "2023-05-29"),
        fields=FIELDS,
        grid=GridSettings(),
        raw_folder=folder / "raw",
        path=folder / "archive",
    )
    splits = Splits(
        Period("2023-05-25", "2023-05-25"),
        Period("2023-05-26", "2023-05-26"),
        Period("2023-05-27", "2023-05-29"),
    )
    settings = TrainingSetSettings({"msl": ("msl",), "wind": ("u10", "v10")}, splits)
    return build_training_set(archive, settings, folder=folder / "training-sets")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """The best track as IBTrACS has it."""
    return write_table(tmp_path_factory.mktemp("best") / "best.csv", make_best(), number=NUMBER)


def _persistent(path: Path, training_set: Path) -> Path:
    """Save a network whose forecast is the last input."""
    one = load_checkpoint(make_checkpoint(path, training_set))
    settings = {
        "_target_": "met2net.models.reference_frame.ReferenceFrame",
        "variables": one.settings["variables"],
        "forecaster": {**{k: v for k, v in one.settings.items() if k != "variables"},
                       "_partial_": True},
    }  # fmt: skip
    network = build(settings)
    network.set_scale(torch.ones(3))
    for parameter in network.parameters():
        parameter.data.zero_()
    save_checkpoint(path, replace(one, network=network, settings=settings))
    return path


@pytest.fixture(scope="module")
def run(training_set, table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    checkpoints = {
        "met2net": _persistent(folder / "persistent.safetensors", training_set),
        "tau": make_checkpoint(folder / "noise.safetensors", training_set),
    }
    paths = track_storms(
        training_set, window=WINDOW, split="test", checkpoints=checkpoints, storms=[NUMBER],
        out=folder, table=table, batch_size=7,
    )  # fmt: skip
    assert paths == [storm_file(folder, NUMBER)]
    make_scores().to_netcdf(folder / "scores.nc")
    return folder


def test_a_storm_of_the_split_is_followed_in_analysis_and_forecasts(run):
    with xr.open_dataset(storm_file(run, NUMBER), decode_timedelta=False) as tracks:
        assert tracks["analysis_latitude"].sizes == {"time": 49}
        assert tracks["lead_time"].values.tolist() == [1, 2]
        position_error = tracks["position_error"]
        # The last frame for ever: the error is the storm's way, 40 to 50 km an hour.
        kept = position_error.sel(model="met2net")
        assert 30 < kept.sel(lead_time=1).median() < 60
        assert 60 < kept.sel(lead_time=2).median() < 120
        assert tracks["init_time"].values[0] == START + np.timedelta64(2, "h")  # 3 inputs
        assert tracks.attrs["track_id"] == NUMBER


def test_its_figures_and_tables_stand_in_the_report(run):
    names = {path.stem for path in draw_run(run)}
    start = f"storm_{NUMBER.lower()}"
    assert {f"{start}_track_1h", f"{start}_intensity_1h", f"{start}_errors"} <= names
    with xr.open_dataset(storm_file(run, NUMBER), decode_timedelta=False) as tracks:
        only = tracks.sel(model=["met2net"]).load()
        tables = storm_tables(tracks.load())
        assert storm_tables(tracks.drop_dims("model")) == []
    # The noise of an untrained network has no storm: no case that all models share.
    assert all(row[1] != UNDEFINED for table in tables for row in table.rows) or tables == []
    only["mean_position_error"] = only["position_error"].mean("init_time")
    first = storm_tables(only)[0]
    assert first.header[1].startswith("+1 h (") and first.title.endswith("against the analysis")
    assert 30 < float(first.rows[0][1]) < 60


def test_what_does_not_fit_is_said_in_one_line(training_set, table, tmp_path):
    def follow(storms, *, data=training_set, split="test", **options):
        # What can be known is said before anything is trained, in the same words.
        with pytest.raises(DataError) as early:
            check_storms(data, window=WINDOW, split=split, storms=storms,
                         **{"table": table, **options})  # fmt: skip
        with pytest.raises(DataError) as late:
            _follow(storms, data=data, split=split, **options)
        assert str(late.value) == str(early.value)
        raise early.value

    def _follow(storms, *, data=training_set, split="test", **options):
        track_storms(
            data, window=WINDOW, split=split, checkpoints={}, storms=storms, out=tmp_path,
            **{"table": table, **options},
        )  # fmt: skip

    with pytest.raises(
        DataError,
        match=r"storm Doksuri lasted from 2023-07-\d\d to .*found the test split from "
        "2023-05-27 to 2023-05-29, which has none of it",
    ):
        follow(["Doksuri 2023"], table=None)
    far = pd.read_csv(table).assign(lon=300.0)
    far.to_csv(tmp_path / "far.csv", index=False)
    with pytest.raises(DataError, match=f"{NUMBER} never lies in the domain .* the test split"):
        follow([NUMBER], table=tmp_path / "far.csv")
    with pytest.raises(DataError, match=r"found no window of the test split that begins"):
        window = replace(WINDOW, input_hours=(-60, 0))
        track_storms(training_set, window=window, split="test", checkpoints={}, storms=[NUMBER],
                     out=tmp_path, table=table)  # fmt: skip
    with pytest.raises(DataError, match=r"found no window of the test split that begins"):
        check_storms(training_set, window=window, split="test", storms=[NUMBER], table=table)
    check_storms(training_set, window=WINDOW, split="test", storms=[NUMBER], table=table)
    check_storms(tmp_path / "not_even_opened", window=WINDOW, split="test", storms=[])
    with pytest.raises(DataError, match="found channels t2m, u10, r850, r1000; expected msl"):
        follow([NUMBER], data=make_training_set(tmp_path / "other"))


def test_storms_are_known_by_name_and_year_or_by_number():
    assert find_storm("mawar 2023") == MAWAR
    assert find_storm(NUMBER) == Storm(NUMBER, NUMBER)
    assert storm_file(Path("x"), "Mawar 2023") == Path("x/tracks_mawar.nc")
    assert EvaluationSettings(storms=["Mawar 2023"]).storms == ("Mawar 2023",)
    with pytest.raises(ValueError, match="unknown storm 'Mawar'; expected one of Mawar 2023"):
        EvaluationSettings(storms=["Mawar"])


def test_the_fixture_s_grid_is_the_training_set_s(training_set):
    assert TrainingSet.open(training_set).grid.matches(GRID)
