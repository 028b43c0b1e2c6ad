"""Errors of a storm's forecast tracks, as tables."""

import numpy as np
import xarray as xr

from pipelines.report.table import Table, matrix

__all__ = ["storm_tables"]


def storm_tables(tracks: xr.Dataset) -> list[Table]:
    """Tabulate mean errors of position, pressure and wind by model and lead time.

    Against the analysis, and against the best track at the hours that it has. Means run over
    the cases in which all models found the storm; their number stands beside the lead time.
    """
    if "model" not in tracks.dims:
        return []
    storm = str(tracks.attrs["storm"])
    models = [str(name) for name in tracks["model"].values]
    tables = []
    for prefix, truth in (("", "analysis"), ("best_", "best track")):
        count = tracks[f"{prefix}count"].values.astype(int)
        for name, what, scale, decimals in (
            ("position", "position error [km]", 1.0, 1),
            ("pressure", "pressure, forecast less truth [hPa]", 0.01, 2),
            ("wind", "wind, forecast less truth [m s-1]", 1.0, 2),
        ):
            values = tracks[f"mean_{prefix}{name}_error"].transpose("model", "lead_time").values
            if not np.isfinite(values).any():
                continue
            tables.append(
                matrix(
                    scale * values,
                    title=f"{storm}: {what}, against the {truth}",
                    names=models,
                    header=[
                        f"+{lead:g} h ({n} cases)"
                        for lead, n in zip(tracks["lead_time"].values, count, strict=True)
                    ],
                    best=lambda column: int(np.nanargmin(np.abs(column))),
                    decimals=[decimals] * values.shape[1],
                    name=f"storm_{storm}_{name}_{truth}",
                )
            )
    return tables
