import csv
import io
from urllib.parse import unquote

import numpy as np

from pipelines.report.table import Table, matrix, text


def _rows(table):
    return list(csv.reader(io.StringIO(table.csv)))


def test_csv_has_intervals_in_columns_of_their_own_and_blanks_for_what_is_undefined():
    values = np.array([[1.0, np.nan], [2.0, 0.25]])
    table = matrix(
        values, title="RMSE, t2m [K]", names=["a, b", "c"], header=["x", "y"],
        best=lambda column: int(np.nanargmin(column)), ends=(values - 0.5, values + 0.5),
    )  # fmt: skip
    assert _rows(table) == [
        ["model", "x", "x low", "x high", "y", "y low", "y high"],
        ["a, b", "1.00", "0.50", "1.50", "", "", ""],
        ["c", "2.00", "1.50", "2.50", "0.250", "-0.250", "0.750"],
    ]
    assert table.best == {(0, 1), (1, 2)}
    assert table.name == "rmse_t2m_k"


def test_the_address_holds_the_same_text():
    table = Table("Wind [m s-1]", ("model", "+1 h"), (("a", "1#2 %"),), name="Wind +1 h")
    head, _, content = table.csv_address.partition(",")
    assert head == "data:text/csv;charset=utf-8"
    assert unquote(content) == table.csv == "model,+1 h\na,1#2 %\n"
    assert table.name == "wind_1_h"


def test_columns_without_an_interval_stay_one_column():
    ends = np.array([[np.nan, 1.0]]), np.array([[np.nan, 3.0]])
    table = matrix(
        np.array([[1.0, 2.0]]), title="t", names=["a"], header=["x", "y"], best=None, ends=ends
    )
    assert _rows(table)[0] == ["model", "x", "y", "y low", "y high"]


def test_zero_has_no_sign_and_no_number_is_a_dash():
    assert text(-0.0001, 2) == "0.00" and text(np.nan, 2) == "–" and text(np.inf, 1) == "–"
