"""The numbers of the Met2Net paper's tables, as data.

Source: Li et al. 2025, arXiv:2507.17189, Tables 1 to 12; for `openstl`, the benchmark of Tan et
al. 2023, arXiv:2306.11249. They stand in `published_scores.yaml` as printed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pipelines.errors import DataError

__all__ = ["PublishedScore", "metric_unit", "published_scores", "read_published_scores"]

_FILE = Path(__file__).with_suffix(".yaml")
_OF_MODELS = {
    "params": "M",
    "multiply_adds": "G",
    "training_multiply_adds": "G",
    "memory": "MiB",
    "step_time": "s",
    "epoch_time": "s",
    "num_models": None,
}
_OF_DATA = ("num_train", "num_test", "num_channels", "height", "width", "num_inputs", "num_targets")
_OF_FORECASTS = ("mse", "mae", "rmse", "r2", "acc", "ssim", "psnr")
_UNITS = {
    "uv10": "m s-1", "u10": "m s-1", "v10": "m s-1", "u": "m s-1", "v": "m s-1", "t2m": "K",
    "t": "K", "tcc": "1", "r": "%", "msl": "Pa",
}  # fmt: skip


@dataclass(frozen=True)
class PublishedScore:
    """One number of one table.

    Attributes:
        table: `table1` to `table12`, or `openstl`.
        row: the model, or in Table 2 the data set.
        dataset: name of the data set, as in `configs/data`.
        variable: what is forecast, or None for all together or none.
        metric: as `mse`.
        value: the number as printed, in `unit`.
        unit: None where it has none, or the paper gives none.
    """

    table: str
    row: str
    dataset: str
    variable: str | None
    metric: str
    value: float
    unit: str | None


@cache
def published_scores(table: str | None = None) -> tuple[PublishedScore, ...]:
    """Give all published numbers in the order of the tables, or those of one table.

    Raises:
        DataError: if there is no such table.
    """
    scores = read_published_scores(_FILE)
    if table is None:
        return scores
    found = tuple(score for score in scores if score.table == table)
    if not found:
        known = ", ".join(dict.fromkeys(score.table for score in scores))
        raise DataError(f"found no published table {table!r}; expected one of: {known}")
    return found


def read_published_scores(path: Path) -> tuple[PublishedScore, ...]:
    """Read and check a file of tables; each has `dataset`, `columns` and `rows`.

    Raises:
        DataError: if a metric or variable is unknown, a column or a row occurs twice, a row has
            another length than the columns, or a value is no number.
    """
    try:
        tables = yaml.load(path.read_text(encoding="utf-8"), Loader=_OnceLoader)
    except yaml.YAMLError as error:
        raise DataError(f"{path}: {str(error).splitlines()[0]}") from error
    return tuple(score for name, table in tables.items() for score in _of_table(name, table))


def metric_unit(metric: str, variable_unit: str | None) -> str | None:
    """Give the unit of a metric of a variable: squared for `mse`, the same for `mae`, `rmse`."""
    if metric in _OF_MODELS:
        return _OF_MODELS[metric]
    if metric == "psnr":
        return "dB"
    if variable_unit is None or metric in ("r2", "acc", "ssim"):
        return None
    if metric != "mse" or variable_unit == "1":
        return variable_unit
    return "m2 s-2" if variable_unit == "m s-1" else f"{variable_unit}2"


def _of_table(name: str, table: Mapping[str, Any]) -> Iterator[PublishedScore]:
    """Give one table's numbers, row by row."""
    columns = [_column(name, text) for text in table["columns"]]
    twice = sorted({str(c) for c in table["columns"] if columns.count(_column(name, c)) > 1})
    if twice:
        raise DataError(f"{name}: column {twice[0]!r} occurs twice; expected each once")
    for row, values in table["rows"].items():
        if len(values) != len(columns):
            raise DataError(f"{name}, {row}: found {len(values)} values; expected {len(columns)}")
        for (variable, metric), value in zip(columns, values, strict=True):
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise DataError(f"{name}, {row}, {metric}: found {value!r}; expected a number")
            unit = metric_unit(metric, None if variable is None else _UNITS[variable])
            dataset = row if table["dataset"] is None else table["dataset"]
            yield PublishedScore(name, row, dataset, variable, metric, float(value), unit)


def _column(table: str, text: str) -> tuple[str | None, str]:
    """Read `t2m mse`, or `params`."""
    variable, _, metric = text.rpartition(" ")
    if metric not in (*_OF_MODELS, *_OF_DATA, *_OF_FORECASTS):
        known = ", ".join((*_OF_FORECASTS, *_OF_MODELS, *_OF_DATA))
        raise DataError(f"{table}: unknown metric {metric!r}; expected one of: {known}")
    if variable and variable not in _UNITS:
        raise DataError(
            f"{table}: unknown variable {variable!r}; expected one of: {', '.join(_UNITS)}"
        )
    return variable or None, metric


class _OnceLoader(yaml.SafeLoader):  # type: ignore[misc]  # it has no types
    """Refuses a key that occurs twice, of which YAML would silently keep the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping after a look at its keys."""
        keys = [self.construct_object(key, deep=deep) for key, _ in node.value]
        twice = [key for key in keys if keys.count(key) > 1]
        if twice:
            raise DataError(f"{node.start_mark}: {twice[0]!r} occurs twice; expected each once")
        mapping: dict[Any, Any] = super().construct_mapping(node, deep=deep)
        return mapping
