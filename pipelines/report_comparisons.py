"""One network against every other model, and beside published numbers, as tables."""

import re
from collections.abc import Mapping

import numpy as np
import xarray as xr

from pipelines.report_table import Table, text
from pipelines.report_tables import model_names
from pipelines.score_summary import decimals_for

__all__ = ["Published", "comparison_table", "published_table"]

Published = Mapping[tuple[str, str, str], float]
"""Published numbers: (model, channel, metric), all lead times pooled -> value, in our units."""


def comparison_table(scores: xr.Dataset, *, network: str) -> Table | None:
    """Tabulate a network's margins over all other models, with intervals and tests.

    None where the scores were written without them.
    """
    if "margin" not in scores or scores.sizes["model"] < 2:
        return None
    row = scores.sel(model=network)
    others = [name for name in model_names(scores) if name != network]
    leads = [int(lead) for lead in scores["lead_time"].values]
    shown = list(dict.fromkeys([leads[0], leads[-1]]))
    rows, intervals = [], {}
    for place, other in enumerate(others):
        one = row.sel(other_model=other)
        cells = [text(100 * one["margin"].item(), 1)]
        low, high = (100 * one[f"margin_{end}"].item() for end in ("low", "high"))
        if np.isfinite(low):
            intervals[place, 1] = (text(low, 1), text(high, 1))
        tests = [
            (one["pooled_dm_statistic"].item(), one["pooled_dm_p_value"].item()),
            *(
                (one["dm_statistic"].sel(lead_time=lead).item(),
                 one["dm_p_value"].sel(lead_time=lead).item())
                for lead in shown
            ),
        ]  # fmt: skip
        for statistic, p_value in tests:
            cells += [text(statistic, 2), _p(p_value)]
        rows.append((other, *cells))
    tested = ["all leads", *(f"+{lead} h" for lead in shown)]
    header = [cell for name in tested for cell in (f"DM, {name}", f"p, {name}")]
    return Table(
        f"{network} against every other model",
        ("against", "error lower by [%]", *header),
        tuple(rows),
        intervals=intervals,
        name=f"comparison_{network}",
    )


def _p(value: float) -> str:
    """Write a p-value with three decimals."""
    return "< 0.001" if value < 0.001 else text(value, 3)


def published_table(scores: xr.Dataset, published: Published) -> Table | None:
    """Tabulate published numbers with ours beside them, all grid points alike.

    Models are matched by name, whatever its case and punctuation; columns are those that we
    have too. None where there are none.
    """
    channels = [str(label) for label in scores["channel"].values]
    metrics = [str(name) for name in scores["metric"].values]
    columns = [
        (channel, metric)
        for channel in channels
        for metric in metrics
        if any(key[1:] == (channel, metric) for key in published)
    ]
    if not columns:
        return None
    ours = {_plain(name): name for name in model_names(scores)}
    rows = list(dict.fromkeys(model for model, *_ in published))
    theirs = {_plain(name) for name in rows}
    rows += [name for plain, name in ours.items() if plain not in theirs]
    table = np.full((len(rows), 2 * len(columns)), np.nan)
    pooled = scores["pooled"].sel(weighting="plain")
    for i, model in enumerate(rows):
        for j, (channel, metric) in enumerate(columns):
            table[i, 2 * j] = published.get((model, channel, metric), np.nan)
            if _plain(model) in ours:
                place = {"model": ours[_plain(model)], "channel": channel, "metric": metric}
                table[i, 2 * j + 1] = pooled.sel(place).item()
    places = [
        decimals_for(table[:, 2 * (j // 2) : 2 * (j // 2) + 2]) for j in range(table.shape[1])
    ]
    return Table(
        "Published numbers beside ours",
        (
            "model",
            *(f"{c} {m.upper()}, {who}" for c, m in columns for who in ("published", "ours")),
        ),
        tuple(
            (name, *(text(v, p) for v, p in zip(row, places, strict=True)))
            for name, row in zip(rows, table, strict=True)
        ),
        name="published_and_ours",
    )


def _plain(name: str) -> str:
    """Spell a model's name so that `PredRNN++` and `predrnnpp` are the same."""
    return re.sub(r"[^a-z0-9]", "", name.lower().replace("+", "p"))
