import io

import numpy as np
from rich.console import Console

from pipelines.evaluation.terminal_table import scores_table
from tests.pipelines.synthetic_run import make_scores


def _text(scores, folder, *, width=160):
    scores.to_netcdf(folder / "scores.nc")
    console = Console(width=width, file=io.StringIO())
    console.print(scores_table(folder / "scores.nc"))
    return console.file.getvalue()


def _with_intervals(*, width):
    scores = make_scores(["met2net"], ["t2m"])
    center = scores["normalized_rmse"]
    scores["normalized_rmse_low"] = center - width
    scores["normalized_rmse_high"] = center + width
    p_value = np.full(center.shape, np.nan)
    p_value[0] = 0.0123
    scores["p_value"] = ("model", p_value, {"compared_to": "climatology"})
    return scores


def test_intervals_and_p_values_stand_beside_the_scores(tmp_path):
    scores = _with_intervals(width=0.01)
    text = _text(scores, tmp_path)
    value = scores["normalized_rmse"].sel(model="met2net").item()
    row = next(line for line in text.splitlines() if line.startswith(" met2net"))
    assert f"{value - 0.01:.3f}–{value + 0.01:.3f}" in row and "0.012" in row
    assert "95 %" in text and "interval" in text and "climatology" in text


def test_five_channels_fit_an_old_terminal(tmp_path):
    channels = ["msl", "u10", "v10", "t2m", "d2m"]
    scores = make_scores(["met2net", "tau"], channels)
    center = scores["normalized_rmse"]
    scores["normalized_rmse_low"], scores["normalized_rmse_high"] = center - 0.1, center + 0.1
    scores["p_value"] = ("model", np.full(center.shape, 0.5), {"compared_to": "ridge"})
    lines = _text(scores, tmp_path, width=80).splitlines()
    rows = [line for line in lines if line.startswith((" met2net", " anomaly_persistence"))]
    assert len(rows) == 2
    assert all(len(row.split()) == 4 + len(channels) and "…" not in row for row in rows)


def test_scores_without_intervals_have_no_empty_columns(tmp_path):
    assert "interval" not in _text(_with_intervals(width=np.nan), tmp_path)
    assert "interval" not in _text(make_scores(["met2net"], ["t2m"]), tmp_path)
