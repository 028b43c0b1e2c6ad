"""One network against every other model, as a table."""

import numpy as np
import xarray as xr

from pipelines.evaluation.lead_times import lead_name
from pipelines.evaluation.p_value_text import p_value_text
from pipelines.report.table import Table, text
from pipelines.report.tables import model_names

__all__ = ["comparison_table"]


def comparison_table(scores: xr.Dataset, *, network: str) -> Table | None:
    """Tabulate a network's margins over all other models, with intervals and tests.

    None where the scores were written without them.
    """
    if "margin" not in scores or scores.sizes["model"] < 2:
        return None
    row = scores.sel(model=network)
    others = [name for name in model_names(scores) if name != network]
    leads = [int(lead) for lead in scores["lead_time"].values]
    names = {lead: lead_name(scores, lead) for lead in leads}
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
            cells += [text(statistic, 2), p_value_text(p_value)]
        rows.append((other, *cells))
    tested = ["all leads", *(names[lead] for lead in shown)]
    header = [cell for name in tested for cell in (f"DM, {name}", f"p, {name}")]
    return Table(
        f"{network} against every other model",
        ("against", "error lower by [%]", *header),
        tuple(rows),
        intervals=intervals,
        name=f"comparison_{network}",
    )
