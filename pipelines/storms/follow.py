"""Tracks of an evaluation's storms in a scored split."""

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from met2net.analysis.cyclones import Track
from met2net.data.channel_roles import forecast_channels, hidden_places
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.forecasting.network_forecast import network_forecast
from pipelines.storms.best_tracks import Storm, best_track, find_storm
from pipelines.storms.checks import (
    PRESSURE,
    check_pressure,
    hours_of_storm,
    windows_of_storm,
)
from pipelines.storms.tracks import analysis_track, track_storm
from pipelines.training_sets.windows import load_fitting

__all__ = ["storm_file", "track_storms"]

_NAMES = {
    PRESSURE: "mean_sea_level_pressure",
    "u10": "10m_u_component_of_wind",
    "v10": "10m_v_component_of_wind",
}

logger = logging.getLogger(__name__)


def storm_file(folder: Path, name: str) -> Path:
    """Give the file with the tracks of a storm."""
    return folder / f"tracks_{find_storm(name).name.lower()}.nc"


def track_storms(
    training_set: Path,
    *,
    window: WindowSpec,
    split: str,
    checkpoints: Mapping[str, Path],
    storms: Sequence[str],
    out: Path,
    batch_size: int = 64,
    device: str = "cpu",
    table: Path | None = None,
) -> list[Path]:
    """Follow storms in the analysis and in the forecasts of a split.

    Args:
        training_set: Zarr store made by `pipelines.training_sets.prepare`, with `msl` and, for
            winds, `u10` and `v10`.
        window: frames; those of the checkpoints must be the same.
        split: where the storms are looked for.
        checkpoints: model name -> checkpoint file.
        storms: see `find_storm`.
        out: folder; `tracks_<name>.nc` is written into it for every storm.
        batch_size: windows at once.
        device: where the networks run.
        table: of best tracks; see `best_track`.

    Returns:
        The files, described in `pipelines.storms.tracks.track_storm`.

    Raises:
        DataError: if there is no pressure, a storm lies outside the split's hours or the
            domain, no window begins while it is there, or a checkpoint does not fit.
    """
    data = TrainingSet.open(training_set)
    loaded = load_fitting(checkpoints, data=data, window=window, device=device)
    forecasts = {
        name: network_forecast(
            one.network,
            trained_with=one.normalizer,
            applied_to=data.normalizer,
            valid=one.valid,
            hidden=hidden_places(window, data.channels),
        )
        for name, one in loaded.items()
    }
    paths = []
    for storm in map(find_storm, storms):
        check_pressure(storm, forecast_channels(window, data.channels))
        best = best_track(storm, table=table)
        analysis = _analysis(data, storm, best=best, split=split)
        truth = analysis_track(analysis, best=best)
        rows = windows_of_storm(data, storm, window=window, split=split, times=truth.time)
        made = {
            name: _forecast(data, forecast, rows=rows, window=window, batch_size=batch_size,
                            device=device)
            for name, forecast in forecasts.items()
        }  # fmt: skip
        paths.append(track_storm(storm, best=best, analysis=analysis, forecasts=made, out=out))
    return paths


def _analysis(data: TrainingSet, storm: Storm, *, best: Track, split: str) -> xr.Dataset:
    """Read the tracker's fields of the split's hours in which the storm is known."""
    rows = hours_of_storm(data, storm, best=best, split=split)
    fields = torch.as_tensor(np.stack([data.fields[int(row)] for row in rows]))
    times = data.hours[rows].astype("datetime64[h]").astype("datetime64[ns]")
    return _dataset(data, fields, labels=data.channels, dims=("time",)).assign_coords(time=times)


def _forecast(
    data: TrainingSet,
    forecast: ForecastFunction,
    *,
    rows: np.ndarray,
    window: WindowSpec,
    batch_size: int,
    device: str,
) -> xr.Dataset:
    """Run one model over windows; keep the tracker's fields."""
    parts = []
    windows = data.cut(rows, window)
    hours = data.hours[rows[:, window.num_inputs - 1]]
    for start in range(0, len(rows), batch_size):
        places = np.arange(start, min(start + batch_size, len(rows)))
        inputs = windows.inputs(places)
        with torch.inference_mode():
            parts.append(forecast(inputs.to(device), torch.from_numpy(hours[places])).cpu())
    init_time = hours.astype("datetime64[h]")
    given = forecast_channels(window, data.channels)
    dataset = _dataset(data, torch.cat(parts), labels=given, dims=("init_time", "lead_time"))
    leads = np.array(window.target_hours).astype("timedelta64[h]")
    return dataset.assign_coords(
        init_time=init_time.astype("datetime64[ns]"), lead_time=leads.astype("timedelta64[ns]")
    )


def _dataset(
    data: TrainingSet, fields: torch.Tensor, *, labels: Sequence[str], dims: tuple[str, ...]
) -> xr.Dataset:
    """Give the tracker's channels, of some, of normalized fields in physical units."""
    physical = data.normalizer.denormalize(fields).numpy()
    arrays = {}
    for label, name in _NAMES.items():
        if label in labels:
            place = data.channels.index(label)
            units = {"units": data.units[place]}
            arrays[name] = ((*dims, "latitude", "longitude"), physical[..., place, :, :], units)
    return xr.Dataset(
        arrays,
        coords={"latitude": list(data.grid.latitude), "longitude": list(data.grid.longitude)},
        attrs={"attribution": data.attrs["attribution"]},
    )
