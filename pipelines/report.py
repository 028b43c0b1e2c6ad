"""The report of a run: one HTML page that needs nothing but a browser."""

import base64
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from pipelines.atomic import write_text
from pipelines.figures import draw_run
from pipelines.figures.style import DOTS_PER_INCH
from pipelines.report_tables import lead_time_tables, pooled_table, skill_table, window_tables
from pipelines.score_summary import open_scores, verdict

__all__ = ["write_report"]

_CAPTIONS = {
    "scoreboard": "Normalized RMSE of every model, best first; baselines grey.",
    "lead_time_rmse": "RMSE by lead time, weighted by area.",
    "lead_time_acc": "Anomaly correlation (ACC) by lead time, weighted by area.",
    "training": "Training: validation RMSE and losses by epoch.",
    "cka_by_layer": "CKA between variables along the layers: for one pair, and the mean over "
    "all pairs. Every part of a network has the same width.",
}


def write_report(
    run_folder: Path,
    *,
    title: str,
    provenance: Mapping[str, str],
    attribution: str | None,
    out: Path,
    network: str | None = None,
) -> Path:
    """Write a run's report as one self-contained page, figures inside.

    The figures are drawn anew into `run_folder/figures`. Scores are required; sections on
    the worked window, the analyses and the training stand where their files exist.

    Args:
        run_folder: the run, with `scores.nc` and what else there is.
        title: the page's title.
        provenance: rows of the table "where it comes from", in order.
        attribution: the data's attribution, or None.
        out: the page to write, whole or not at all.
        network: the one that the verdict and the maps are about, by default the best.
    """
    figures = {path.stem: path for path in draw_run(run_folder, network=network)}
    scores = open_scores(run_folder / "scores.nc")
    context = {
        "title": title,
        "provenance": provenance,
        "attribution": attribution,
        "scores": _scores_context(scores, network),
        "window": _window_context(run_folder / "example.nc"),
        "figures": {
            group: [
                {"image": _inline(path), "width": _width(path), "caption": _caption(name)}
                for name, path in figures.items()
                if name.startswith(prefix)
            ]
            for group, prefix in _GROUPS.items()
        },
    }
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("report.html.j2").render(context)
    write_text(out, page)
    return out


_GROUPS = {
    "scoreboard": "scoreboard",
    "leads": "lead_time",
    "maps": "map",
    "cka": "cka",
    "attention": "attention",
    "training": "training",
}


def _scores_context(scores: xr.Dataset, network: str | None) -> dict[str, Any]:
    outcome = verdict(scores, network=network)
    return {
        "verdict": str(outcome),
        "beats_all": outcome.beats_all,
        "attrs": scores.attrs,
        "headline": pooled_table(scores, metric="rmse", weighting="plain"),
        "pooled": [
            pooled_table(scores, metric=metric, weighting="area")
            for metric in ("rmse", "mae", "bias", "acc", "r2")
        ],
        "skill": skill_table(scores),
        "by_lead": lead_time_tables(scores),
    }


def _window_context(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    with xr.open_dataset(path, decode_timedelta=False) as example:
        init = np.datetime_as_string(example["init_time"].values[0], unit="h")
        return {"init_time": init, "tables": window_tables(example)}


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _width(path: Path) -> int:
    """Give the width at which a figure's letters have their nominal size [CSS pixels]."""
    pixels, _ = struct.unpack(">II", path.read_bytes()[16:24])  # PNG: the header chunk comes first
    return round(pixels * 96 / DOTS_PER_INCH)


def _caption(name: str) -> str:
    if name in _CAPTIONS:
        return _CAPTIONS[name]
    kind, _, what = name.partition("_")
    if kind == "map":
        return f"{what}: truth, forecast, and its error."
    if kind == "attention":
        return f"{what}: attention between variables; a row is what a predicted variable looks at."
    return f"{what.removeprefix('matrix_')}: CKA between variables at the last layer of each part."
