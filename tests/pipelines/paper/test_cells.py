"""Cells of tables: the right numbers of the right parts, beside the paper's."""

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from rich.console import Console

from pipelines.errors import DataError
from pipelines.paper.cells import Cell, gathered, score_cells, with_published
from pipelines.paper.published_scores import PublishedScore
from pipelines.studies.costs import cost_cells
from pipelines.studies.parts import ScoredPart, read_parts, write_parts
from pipelines.studies.table import study_markdown, study_table, write_study_table
from pipelines.training.cost import TrainingCost

WIND = {"uv10": ("u10", "v10"), "t2m": ("t2m",)}
MSE = {"u10": 1.0, "v10": 3.0, "t2m": 4.0}


def make_part(folder: Path, *, scale: float = 1.0, variables=WIND, **values) -> ScoredPart:
    """Write scores of one model whose MSE is that of `MSE`, times `scale`."""
    channels = [label for labels in variables.values() for label in labels]
    mse = np.array([MSE[label] for label in channels]) * scale
    pooled = np.stack([mse, np.sqrt(mse)])[None, :, None]
    scores = xr.Dataset(
        {
            "pooled": (("model", "metric", "weighting", "channel"), pooled),
            "score": (("model", "metric", "weighting", "channel", "lead_time"), pooled[..., None]),
            "normalized_rmse": ("model", [1.0]),
            **values,
        },
        coords={
            "model": ["net"], "metric": ["mse", "rmse"], "weighting": ["plain"],
            "channel": channels, "lead_time": [1],
            "units": ("channel", ["K" if c == "t2m" else "m s-1" for c in channels]),
        },
    )  # fmt: skip
    folder.mkdir(parents=True)
    scores.to_netcdf(folder / "scores.nc")
    return ScoredPart(
        part="all", protocol="clean", seed=0, folder=folder, training_set=folder / "set.zarr",
        variables=variables, rows={"Net": "net"}, checkpoints={"net": folder / "m"},
        learning_rates={"net": 1e-3},
    )  # fmt: skip


def by_key(cells):
    return {cell.key: cell for cell in cells}


def test_a_wind_is_the_mean_of_its_components_and_its_rmse_the_root_of_that(tmp_path) -> None:
    cells = by_key(score_cells([make_part(tmp_path / "a")], metrics=("mse", "rmse")))
    assert cells["Net", "uv10", "mse"].clean == pytest.approx(2.0)  # (1 + 3) / 2
    assert cells["Net", "uv10", "rmse"].clean == pytest.approx(math.sqrt(2))
    assert cells["Net", "t2m", "rmse"].clean == pytest.approx(2.0)
    assert cells["Net", "uv10", "mse"].unit == "m2 s-2"


def test_components_that_are_variables_of_their_own_still_make_a_wind(tmp_path) -> None:
    apart = {"u10": ("u10",), "v10": ("v10",), "t2m": ("t2m",)}
    part = make_part(tmp_path / "a", variables=apart)
    cells = by_key(score_cells([part], metrics=("mse",), variables=("uv10",)))
    assert list(cells) == [("Net", "uv10", "mse")]
    assert cells["Net", "uv10", "mse"].clean == pytest.approx(2.0)


def test_roots_of_batches_stand_in_for_rmse_where_they_were_taken(tmp_path) -> None:
    roots = xr.DataArray([[1.2, 1.9]], dims=("model", "variable"),
                         coords={"variable": ["uv10", "t2m"]})  # fmt: skip
    part = make_part(tmp_path / "a", rmse_of_batches=roots)
    cells = by_key(score_cells([part], metrics=("rmse",)))
    assert cells["Net", "uv10", "rmse"].clean == pytest.approx(1.2)


def test_frames_of_image_sequences_have_one_score(tmp_path) -> None:
    frames = xr.DataArray(
        [[150.0, 0.9]], dims=("model", "benchmark_metric"),
        coords={"benchmark_metric": ["mse_summed", "ssim"]},
    )  # fmt: skip
    part = make_part(tmp_path / "a", benchmark=frames)
    cells = by_key(score_cells([part], metrics=("mse", "ssim"), together=True))
    assert cells["Net", None, "mse"].clean == 150.0
    assert cells["Net", None, "ssim"].clean == 0.9
    with pytest.raises(DataError, match="found no psnr among the scores of frames; found: mse"):
        score_cells([part], metrics=("psnr",), together=True)


def test_what_scores_lack_is_named(tmp_path) -> None:
    part = make_part(tmp_path / "a")
    with pytest.raises(DataError, match="found no acc among the scores; found: mse, rmse"):
        score_cells([part], metrics=("acc",))
    with pytest.raises(DataError, match="expected those of image sequences"):
        score_cells([part], metrics=("mse",), together=True)


def test_seeds_are_averaged_and_their_range_is_told(tmp_path) -> None:
    parts = [make_part(tmp_path / str(seed), scale=scale) for seed, scale in enumerate((1, 2))]
    (cell,) = score_cells(parts, metrics=("mse",), variables=("t2m",))
    assert (cell.clean, cell.spread) == (pytest.approx(6.0), pytest.approx(2.0))  # of 4 and 8


def test_published_numbers_set_the_order_and_ours_fill_in() -> None:
    published = [
        PublishedScore("table1", row, "weather_l", "t2m", "mse", value, "K2")
        for row, value in (("TAU", 1.162), ("Met2Net", 0.8271))
    ]
    found = [("clean", Cell("Met2Net", "t2m", "mse", "K2", clean=2.0)),
             ("paper", Cell("Met2Net", "t2m", "mse", "K2", clean=1.5)),
             ("clean", Cell("Ours", "t2m", "mse", "K2", clean=3.0))]  # fmt: skip
    cells = with_published(gathered(found), published)
    assert [(c.row, c.clean, c.paper, c.published) for c in cells] == [
        ("TAU", None, None, 1.162), ("Met2Net", 2.0, 1.5, 0.8271), ("Ours", 3.0, None, None),
    ]  # fmt: skip


COST = TrainingCost(
    params=8.6, num_models=1, multiply_adds=19.0, training_multiply_adds=38.0, memory=None,
    step_time=0.5, batch_size=16, device="cpu", num_threads=1,
)  # fmt: skip


def test_an_epoch_takes_its_steps_times_a_step(tmp_path) -> None:
    part = make_part(tmp_path / "a")
    object.__setattr__(part, "costs", {"net": COST})
    object.__setattr__(part, "steps_an_epoch", {"net": 100})
    cells = by_key(cost_cells([part], ("params", "epoch_time", "memory")))
    assert cells["Net", None, "epoch_time"].clean == 50.0
    assert cells["Net", None, "params"].unit == "M"
    assert cells["Net", None, "memory"].clean is None


def test_parts_are_read_back_as_they_were_written(tmp_path) -> None:
    part = make_part(tmp_path / "a")
    object.__setattr__(part, "costs", {"net": COST})
    write_parts(tmp_path / "study.json", [part])
    (found,) = read_parts(tmp_path / "study.json")
    assert found.folder == part.folder and found.costs == {"net": COST}
    assert found.scores().equals(part.scores())
    with pytest.raises(DataError, match="expected a finished study"):
        read_parts(tmp_path / "nothing.json")


def test_tables_show_every_cell_once(tmp_path) -> None:
    cells = [
        Cell("TAU", "t2m", "mse", "K2", 1.25, 1.2, 1.162),
        Cell("Met2Net", "t2m", "mse", "K2", 0.9, None, 0.8271, spread=0.05),
        Cell("Met2Net", None, "num_models", None, 1.0),
    ]
    text = study_markdown(cells, title="T", notes=["A note."])
    assert "| t2m MSE, K2 | Met2Net | 0.90000 ± 0.050000 | – | 0.82710 |" in text
    assert "| networks | Met2Net | 1 | – | – |" in text and text.endswith("A note.\n")
    table, page = write_study_table(cells, title="T", folder=tmp_path, notes=["A note."])
    assert page.read_text() == text
    with table.open() as file:
        rows = list(csv.DictReader(file))
    assert [row["row"] for row in rows] == ["TAU", "Met2Net", "Met2Net"]
    assert rows[1]["paper"] == "" and float(rows[1]["published"]) == 0.8271
    console = Console(width=120, record=True, quiet=True)
    console.print(study_table(cells, title="T"))
