"""What stands below the figures of a report."""

__all__ = ["caption"]

_BY_NAME = {
    "scoreboard": "Normalized RMSE of every model, best first; baselines grey. A line across the "
    "end of a bar is the 95 % interval.",
    "lead_time_rmse": "RMSE by lead time, weighted by area; shades are 95 % intervals.",
    "lead_time_acc": "Anomaly correlation (ACC) by lead time, weighted by area; shades are 95 % "
    "intervals.",
    "lead_time_pcc": "Pearson's correlation (PCC) by lead time, weighted by area; shades are 95 % "
    "intervals.",
    "group_region": "RMSE by region with 95 % intervals.",
    "group_season": "RMSE by season of the init time with 95 % intervals.",
    "group_hour": "RMSE by hour of day of the init time.",
    "spectra": "Zonal power spectra at the last lead time. A line below the observed one at large "
    "wavenumbers: forecasts are too smooth.",
    "training": "Training: validation RMSE and losses by epoch.",
    "distributions": "How the channels' values are distributed, and their changes from frame to "
    "frame.",
    "resources": "Normalized RMSE against the number of parameters, the multiply-adds of one "
    "forecast and, where it was measured, the time of a training step for each of its windows.",
    "cka_by_layer": "CKA between variables along the layers: for one pair, and the mean over "
    "all pairs. Every part of a network has the same width.",
    "cka_layers": "CKA between the layers of every network, first layer at the top left.",
}


def caption(name: str) -> str:
    """Give the caption of a figure by its name."""
    if name in _BY_NAME:
        return _BY_NAME[name]
    kind, _, what = name.partition("_")
    if kind == "map":
        return f"{what}: truth, forecast, and its error."
    if kind == "skill":
        return f"Skill against {what} by lead time: 1 is perfect, 0 no better; cut off below -1."
    if kind == "attention" and what.startswith("change_"):
        return (
            f"{what.removeprefix('change_')}: how attention varies between samples, and from "
            "season to season."
        )
    if kind == "attention":
        return f"{what}: attention between variables; a row is what a predicted variable looks at."
    if kind == "storm":
        return _storm(what)
    return f"{what.removeprefix('matrix_')}: CKA between variables at the last layer of each part."


def _storm(what: str) -> str:
    """Give the caption of a storm's figure, as `mawar_track_3h`."""
    *words, last = what.split("_")
    if last == "errors":
        return f"{' '.join(words).title()}: mean errors of the forecast tracks by lead time."
    storm, lead = " ".join(words[:-1]).title(), last.removesuffix("h")
    if words[-1] == "track":
        return f"{storm}: tracks of forecasts {lead} h ahead, analysis and best track."
    return f"{storm}: pressure at the centre and strongest wind, forecasts {lead} h ahead."
