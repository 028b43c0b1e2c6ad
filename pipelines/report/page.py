"""The report of a run: one HTML page that needs nothing but a browser."""

import base64
import struct
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from pipelines.atomic import write_text
from pipelines.code_version import sources_sha256
from pipelines.evaluation.lead_times import has_images
from pipelines.evaluation.summary import open_scores, verdict
from pipelines.fingerprint import content_sha256, fingerprint
from pipelines.maps.settings import MapSettings
from pipelines.report.breakdowns import group_tables, image_tables, per_time_table, wind_table
from pipelines.report.captions import caption
from pipelines.report.comparisons import comparison_table
from pipelines.report.published import PublishedTable, published_table
from pipelines.report.resources import resources_table
from pipelines.report.storms import storm_tables
from pipelines.report.table import Table
from pipelines.report.tables import (
    lead_time_tables,
    pooled_table,
    skill_table,
    skill_tables_by_lead,
    window_tables,
)
from pipelines.report.template import page_template
from pipelines.run_folder import RunFolder
from pipelines.training.costs_file import read_costs

__all__ = ["report_run", "write_report"]

_MAPS = MapSettings()
_DRAWN_BY = (
    "report/*.py", "report/*.j2", "figures/*.py", "maps/*.py", "paper/*", "evaluation/summary.py",
)  # fmt: skip
"""The files behind a page: where one has changed, pages are written anew."""

_GROUPS = {
    "scoreboard": "scoreboard",
    "leads": "lead_time",
    "skill": "skill",
    "groups": "group_",
    "spectra": "spectra",
    "maps": "map_",
    "storms": "storm_",
    "data": "distributions",
    "resources": "resources",
    "cka": "cka_by_layer",
    "cka_layers": "cka_layers",
    "cka_matrices": "cka_matrix_",
    "attention": "attention_",
    "training": "training",
}


def write_report(
    run_folder: Path,
    *,
    title: str,
    provenance: Mapping[str, str],
    attribution: str | None,
    out: Path,
    network: str | None = None,
    published: PublishedTable | None = None,
    maps: MapSettings = _MAPS,
) -> Path:
    """Write a run's report as one self-contained page, figures inside.

    The figures are drawn anew into `run_folder/figures`, the tables written as CSV into
    `run_folder/tables`. Scores are required; all else stands where its files exist, and where
    the scores hold it.

    Args:
        run_folder: the run, with `scores.nc` and what else there is.
        title: the page's title.
        provenance: rows of the table "where it comes from", in order.
        attribution: the data's attribution, or None.
        out: the page to write, whole or not at all.
        network: the one that the verdict and the maps are about, by default the best.
        published: the paper's table to stand beside ours, or None.
        maps: lead times of maps, and coastlines.

    Raises:
        ValueError: if the worked window lacks a lead time of `maps`.
    """
    # Imported here: most repeated runs draw nothing, and the library that draws is large.
    from pipelines.figures import draw_run

    run = RunFolder(run_folder)
    figures = {path.stem: path for path in draw_run(run_folder, network=network, maps=maps)}
    scores = open_scores(run.scores)
    context = {
        "title": title,
        "facts": {**provenance, **_facts(scores)},
        "attribution": attribution,
        "scores": _scores_context(scores, network=network)
        | {"published": published_table(run_folder, published)},
        "window": _window_context(run.examples),
        "storms": _storm_context(run),
        "resources": _resources_context(run, scores),
        "figures": {
            group: [
                {"image": _inline(path), "width": _width(path), "caption": caption(name)}
                for name, path in figures.items()
                if name.startswith(prefix)
            ]
            for group, prefix in _GROUPS.items()
        },
    }
    _write_tables(run.tables, list(_tables_in(context)))
    write_text(out, page_template("page.html.j2").render(context))
    return out


def report_run(
    run: RunFolder,
    *,
    title: str,
    provenance: Mapping[str, str],
    attribution: str | None,
    network: str,
    published: PublishedTable | None = None,
    maps: MapSettings = _MAPS,
) -> None:
    """Write a run's report where it is not there of just these results, and by this code.

    Arguments as of `write_report`.
    """
    results = {file.stem: run.made_from(file.stem) for file in run.tracks}
    results |= {name: run.made_from(name) for name in ("scores", "examples", "analysis")}
    drawn_by = sources_sha256(
        path
        for pattern in _DRAWN_BY
        for path in Path(__file__).parents[1].glob(pattern)
        if path.is_file() and path.suffix != ".pyc"
    )
    coastlines = Path(maps.coastlines)
    identity = fingerprint(
        results,
        title,
        list(provenance.items()),
        attribution,
        network,
        published,
        maps,
        drawn_by,
        content_sha256(coastlines) if coastlines.is_file() else None,
    )
    whole = run.figures.is_dir() and run.tables.is_dir()
    if whole and run.is_current("report", identity, run.report):
        return
    with run.making("report", identity):
        write_report(
            run.path, title=title, provenance=provenance, attribution=attribution,
            out=run.report, network=network, published=published, maps=maps,
        )  # fmt: skip


def _facts(scores: xr.Dataset) -> dict[str, str]:
    """Say what was scored, and how."""
    facts = {
        "Scored": f"{scores.attrs['num_windows']} windows of the {scores.attrs['split']} split",
        "Climatology": f"by {scores.attrs['climatology']}, from the training split",
    }
    if "input_only" in scores.attrs:
        facts["Only seen"] = f"{scores.attrs['input_only']}: inputs that are not forecast"
    if "output_only" in scores.attrs:
        facts["Only forecast"] = (
            f"{scores.attrs['output_only']}: no inputs, so that persistence is the climatology"
        )
    if "bootstrap" in scores.attrs:
        facts["Intervals"] = str(scores.attrs["bootstrap"])
    return facts


def _scores_context(scores: xr.Dataset, *, network: str | None) -> dict[str, Any]:
    """Give verdict and tables."""
    outcome = verdict(scores, network=network)
    known = [str(name) for name in scores["metric"].values]
    references = [name for name in ("persistence", "climatology") if name in scores["model"]]
    metrics = ("rmse", "mae", "bias", "acc", "acc_centred", "pcc", "r2")
    return {
        "verdict": str(outcome),
        "network": outcome.network,
        "beats_all": outcome.beats_all,
        "attrs": scores.attrs,
        "has_intervals": "normalized_rmse_low" in scores
        and bool(np.isfinite(scores["normalized_rmse_low"]).any()),
        "headline": pooled_table(scores, metric="rmse", weighting="plain"),
        "comparison": comparison_table(scores, network=outcome.network),
        "pooled": [
            pooled_table(scores, metric=metric, weighting="area")
            for metric in metrics
            if metric in known
        ],
        "fields": [
            table
            for table in (wind_table(scores), *image_tables(scores), per_time_table(scores))
            if table is not None
        ],
        "skill": [skill_table(scores, reference=name) for name in references],
        "skill_by_lead": skill_tables_by_lead(scores),
        "by_lead": {
            metric: lead_time_tables(scores, metric=metric)
            for metric in ("rmse", "acc", "pcc")
            if metric in known
        },
        "groups": {
            title: group_tables(scores, group)
            for title, group in (
                ("regions", "region"), ("seasons", "season"), ("hours of day", "init_hour"),
            )
        },
    }  # fmt: skip


def _window_context(path: Path) -> dict[str, Any] | None:
    if not path.exists():
        return None
    with xr.open_dataset(path, decode_timedelta=False) as example:
        init = np.datetime_as_string(example["init_time"].values[0], unit="h")
        shown = None if has_images(example) else init  # a sequence's hour means nothing
        return {"init_time": shown, "tables": window_tables(example)}


def _storm_context(run: RunFolder) -> list[Table]:
    tables = []
    for path in run.tracks:
        with xr.open_dataset(path, decode_timedelta=False) as tracks:
            tables += storm_tables(tracks)
    return tables


def _resources_context(run: RunFolder, scores: xr.Dataset) -> Table | None:
    if not run.analysis.exists():
        return None
    with xr.open_dataset(run.analysis) as analysis:
        return resources_table(analysis, scores, read_costs(run.path))


def _tables_in(context: Any) -> Iterator[Table]:
    """Find all tables of the page, in order."""
    if isinstance(context, Table):
        yield context
    elif isinstance(context, Mapping):
        for value in context.values():
            yield from _tables_in(value)
    elif isinstance(context, list):
        for value in context:
            yield from _tables_in(value)


def _write_tables(folder: Path, tables: list[Table]) -> None:
    """Write every table as CSV; remove those of an earlier report that has others."""
    for table in tables:
        write_text(folder / f"{table.name}.csv", table.csv)
    for path in folder.glob("*.csv"):
        if path.stem not in {table.name for table in tables}:
            path.unlink()


def _inline(path: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode("ascii")


def _width(path: Path) -> int:
    """Give the width at which a figure's letters have their nominal size [CSS pixels]."""
    from pipelines.figures.style import DOTS_PER_INCH  # as above

    pixels: int
    pixels, _ = struct.unpack(">II", path.read_bytes()[16:24])  # PNG: the header chunk comes first
    return round(pixels * 96 / DOTS_PER_INCH)
