import numpy as np
import pytest

from pipelines.report.breakdowns import group_tables, image_tables, per_time_table, wind_table
from tests.pipelines.synthetic_run import make_full_scores, make_scores


@pytest.fixture(scope="module")
def scores():
    return make_full_scores()


def test_scores_by_season_pool_squared_errors_and_leave_out_seasons_without_a_forecast(scores):
    rmse, bias, acc = group_tables(scores, "season")
    assert rmse.header == ("season", "model", "t2m [K]", "u10 [m s-1]", "v10 [m s-1]")
    assert [row[0] for row in rmse.rows[::5]] == ["DJF", "MAM", "JJA"]
    assert [row[1] for row in rmse.rows[:5]] == [str(name) for name in scores["model"].values]
    # RMSE grows with the root of the lead: leads 1, 2, 3, 6 have 3 times the MSE of lead 1 in the
    # mean; the synthetic season's factor, here 0.9, is on the MSE.
    assert float(rmse.rows[0][2]) == pytest.approx(1.4 * np.sqrt(3 * 0.9), abs=0.006)
    low, high = rmse.intervals[0, 2]
    assert float(low) < float(rmse.rows[0][2]) < float(high)
    assert rmse.best >= {(0, 2), (5, 2), (10, 2)}
    assert acc.header == ("season", "model", "t2m", "u10", "v10") and acc.intervals == {}
    assert acc.rows[4][2] == "–"  # climatology
    assert max(len(cell) for row in bias.rows for cell in row[2:]) < 8


def test_scores_by_hour_have_a_table_a_channel_and_a_column_an_hour(scores):
    tables = group_tables(scores, "init_hour")
    assert [table.name for table in tables] == [
        "rmse_by_hour_t2m", "rmse_by_hour_u10", "rmse_by_hour_v10",
    ]  # fmt: skip
    assert tables[0].header[:3] == ("model", "00", "01") and len(tables[0].header) == 25
    assert len(tables[0].intervals) == 24 * 5


def test_the_whole_field_alone_is_no_breakdown(scores):
    assert [table.name for table in group_tables(scores, "region")] == [
        "rmse_by_region", "bias_by_region", "acc_by_region",
    ]  # fmt: skip
    assert group_tables(scores.sel(region=["all"]), "region") == []


def test_fields_winds_and_single_times_have_tables(scores):
    wind = wind_table(scores)
    assert wind.header[1] == "wind10 +1 h"
    u, v = (
        scores["score"].sel(model="tau", metric="mse", weighting="area", channel=c, lead_time=1)
        for c in ("u10", "v10")
    )
    assert float(wind.rows[1][1]) == pytest.approx(float(np.sqrt(u + v)), rel=0.01)
    assert [table.name for table in image_tables(scores)] == ["ssim", "psnr"]
    small = scores.copy()
    small["image_quality"] = small["image_quality"].where(small["image_metric"] == "psnr")
    assert [table.name for table in image_tables(small)] == ["psnr"]
    assert per_time_table(scores).rows[-1][1] == "–"  # climatology


def test_scores_of_older_runs_have_none_of_them():
    old = make_scores()
    assert group_tables(old, "season") == [] == image_tables(old)
    assert wind_table(old) is None and per_time_table(old) is None
