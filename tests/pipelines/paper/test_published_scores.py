"""The published numbers are complete and as printed."""

from collections import Counter
from pathlib import Path

import pytest

from pipelines.errors import DataError
from pipelines.paper.published_scores import metric_unit, published_scores, read_published_scores

# Rows x columns, less what a table leaves empty.
COUNTS = {
    "table1": 10 * 14 - 5, "table2": 8 * 7, "table3": 9 * 12, "table4": 7 * 12, "table5": 6 * 12,
    "table6": 4 * 4, "table7": 9 * 4, "table8": 5 * 4, "table9": 9 * 6 - 1, "table10": 6 * 4,
    "table11": 4 * 8, "table12": 4 * 5, "openstl": 12 * 4 - 1,
}  # fmt: skip


def value(table: str, row: str, variable: str | None, metric: str) -> float:
    (found,) = [
        score.value
        for score in published_scores(table)
        if (score.row, score.variable, score.metric) == (row, variable, metric)
    ]
    return found


def test_every_table_is_complete() -> None:
    assert Counter(score.table for score in published_scores()) == COUNTS


@pytest.mark.parametrize(
    ("table", "row", "variable", "metric", "printed"),
    [  # copied by hand from the paper
        ("table1", "Met2Net", "t2m", "mse", 0.8271),
        ("table1", "PredRNN++", "r", "rmse", 6.7820),
        ("table1", "ConvNeXt", None, "params", 10.09),
        ("table2", "weather_ha", None, "num_test", 2883),
        ("table3", "MAU", "v", "mae", 3.6700),
        ("table4", "SimVP", "tcc", "rmse", 0.2115),
        ("table5", "MogaNet", "msl", "mse", 18617.73),
        ("table5", "ConvLSTM", "v10", "r2", 0.9060),
        ("table6", "TAU", None, "psnr", 19.5075),
        ("table7", "HorNet", None, "mae", 15.01),
        ("table8", "+VA", "tcc", "mse", 0.0428),
        ("table8", "+ITS", "t2m", "mse", 0.8247),
        ("table9", "HorNet", "t2m", "rmse", 0.9358),
        ("table9", "HorNet alone", "t2m", "rmse", 1.0960),
        ("table10", "TAU", "t2m", "mae", 0.6607),
        ("table11", "TAU", None, "epoch_time", 81),  # 1:21
        ("table12", "TAU_8", "uv10", "rmse", 1.3161),
        ("openstl", "PredRNN++", "t2m", "mse", 1.634),
    ],
)
def test_numbers_are_as_printed(
    table: str, row: str, variable: str | None, metric: str, printed: float
) -> None:
    assert value(table, row, variable, metric) == printed


def test_mean_squared_errors_are_the_squares_of_their_roots() -> None:
    # Some are means of roots, which lie a little below; a slip of the pen would lie further off.
    by_key = {(s.table, s.row, s.variable, s.metric): s.value for s in published_scores()}
    checked = 0
    for (table, row, variable, metric), root in by_key.items():
        squared = by_key.get((table, row, variable, "mse"))
        if metric == "rmse" and squared is not None:
            assert root**2 == pytest.approx(squared, rel=0.012), (table, row, variable)
            checked += 1
    assert checked == 37 + 36 + 28 + 17 + 8  # Tables 1, 3, 4, 9, 12


def test_units_follow_from_the_metric() -> None:
    units = {(s.variable, s.metric): s.unit for s in published_scores()}
    assert units["uv10", "mse"] == "m2 s-2"
    assert units["t2m", "rmse"] == "K"
    assert units["tcc", "mse"] == "1"
    assert units["r", "mse"] == "%2"
    assert units[None, "psnr"] == "dB"
    assert units[None, "params"] == "M"
    assert units["msl", "acc"] is None
    assert metric_unit("mae", None) is None


def test_a_table_that_does_not_exist_is_refused() -> None:
    with pytest.raises(DataError, match="no published table 'table13'; expected one of: table1"):
        published_scores("table13")


@pytest.mark.parametrize(
    ("columns", "rows", "message"),
    [
        ("[t2m mse, t2m mse]", "{A: [1, 2]}", "column 't2m mse' occurs twice"),
        ("[t2m rsme]", "{A: [1]}", "unknown metric 'rsme'"),
        ("[t3m mse]", "{A: [1]}", "unknown variable 't3m'"),
        ("[t2m mse]", "{A: [1, 2]}", "found 2 values; expected 1"),
        ("[t2m mse]", "{A: [high]}", "found 'high'; expected a number"),
        ("[t2m mse]", "{A: [1], A: [2]}", "'A' occurs twice"),
        ("[t2m mse", "{A: [1]}", "while parsing"),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, columns: str, rows: str, message: str) -> None:
    path = tmp_path / "scores.yaml"
    path.write_text(f"table1:\n  dataset: t2m\n  columns: {columns}\n  rows: {rows}\n")
    with pytest.raises(DataError, match=message):
        read_published_scores(path)
