import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.report.published import PublishedTable, published_table
from tests.pipelines.synthetic_run import make_scores

VARIABLES = {"uv10": ("u10", "v10"), "t2m": ("t2m",), "tcc": ("tcc",), "r": ("r1000",)}
CHANNELS = ["u10", "v10", "t2m", "tcc", "r1000"]


@pytest.fixture
def run(tmp_path):
    scores = make_scores(["met2net", "tau", "tau_single", "predrnnpp_single"], CHANNELS)
    scores.to_netcdf(tmp_path / "scores.nc")
    return tmp_path


def test_the_paper_s_scores_stand_beside_ours_of_the_same_name_and_kind(run):
    table = published_table(run, PublishedTable("table1", VARIABLES))
    assert table.title == "Published numbers (Table 1) beside ours"
    column = table.header.index("uv10 MSE [m2 s-2], published")
    assert table.header[column + 1] == "uv10 MSE [m2 s-2], ours"
    rows = {row[0]: row for row in table.rows}
    assert float(rows["Met2Net"][column]) == 1.5055 and float(rows["TAU"][column]) == 1.5925
    with xr.open_dataset(run / "scores.nc") as scores:
        mse = scores["pooled"].sel(metric="mse", weighting="plain", channel=["u10", "v10"]).load()
    # The paper has one TAU a variable: ours beside it is the one that has so too.
    for row, model in (("Met2Net", "met2net"), ("TAU", "tau_single"),
                       ("PredRNN++", "predrnnpp_single")):  # fmt: skip
        ours = mse.sel(model=model).mean().item()
        assert float(rows[row][column + 1]) == pytest.approx(ours, abs=0.0001)
    assert rows["SimVP"][column + 1] == "–"  # not trained here
    assert rows["WaST"][column] == "–"  # not in the paper's table
    assert rows["tau"][column] == "–" and rows["tau"][column + 1] != "–"
    assert "persistence" in rows and "tau_single" not in rows


def test_of_one_network_for_all_variables_ours_of_the_same_name_is_taken(run):
    table = published_table(run, PublishedTable("table5", {"u10": ("u10",), "t2m": ("t2m",)}))
    rows = {row[0]: row for row in table.rows}
    assert "tau" not in rows and "tau_single" in rows
    assert rows["TAU"][table.header.index("t2m R2, ours")] != "–"
    msl = table.header.index("msl MSE [Pa2], ours")
    assert {row[msl] for row in table.rows} == {"–"}  # this run lacks it


def test_images_are_compared_by_the_scores_of_whole_frames(tmp_path):
    scores = make_scores(["met2net"], ["t2m"])
    names = ["mse_summed", "mae_summed", "ssim", "psnr"]
    values = np.outer(np.arange(1, scores.sizes["model"] + 1), [150.0, 390.0, 0.1, 19.0])
    scores["benchmark"] = (("model", "benchmark_metric"), values)
    scores.assign_coords(benchmark_metric=names).to_netcdf(tmp_path / "scores.nc")
    table = published_table(tmp_path, PublishedTable("table6", {"t2m": ("t2m",)}))
    assert table.header[:3] == ("model", "MSE, published", "MSE, ours")
    (row,) = [row for row in table.rows if row[0] == "Met2Net"]
    assert float(row[1]) == 132.89 and float(row[2]) == 150.0


def test_nothing_stands_there_without_a_table_and_an_unknown_one_is_refused(run):
    assert published_table(run, None) is None
    with pytest.raises(DataError, match="found no published table 'table99'"):
        published_table(run, PublishedTable("table99", VARIABLES))
