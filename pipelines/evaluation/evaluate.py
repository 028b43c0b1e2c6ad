"""Score trained networks and the baselines on one split of a training set."""

import json
import logging
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr

from met2net.data.channel_roles import (
    forecast_channels,
    forecast_places,
    hidden_places,
    seen_channels,
    seen_places,
)
from met2net.data.training_set import TrainingSet
from met2net.data.windows import ROLES, WindowSpec
from met2net.forecasting.baseline_forecasts import baseline_forecasts
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.forecasting.network_forecast import network_forecast
from met2net.forecasting.ridge import ridge_forecast
from pipelines.atomic import write_netcdf, write_text
from pipelines.errors import DataError
from pipelines.evaluation.protocol import Protocol
from pipelines.evaluation.scoring_pass import score_pass
from pipelines.evaluation.settings import ScoringSettings
from pipelines.evaluation.split_statistics import split_normalizer
from pipelines.run_folder import RunFolder
from pipelines.training_sets.ridge import fitted_ridge
from pipelines.training_sets.windows import load_fitting, windows_in_split

__all__ = ["evaluate", "write_examples"]

_BY_MODEL = ("normalized_rmse", "normalized_rmse_low", "normalized_rmse_high", "p_value")

logger = logging.getLogger(__name__)


def evaluate(
    training_set: Path,
    *,
    window: WindowSpec,
    split: str,
    checkpoints: Mapping[str, Path],
    out: Path,
    batch_size: int = 64,
    device: str = "cpu",
    scoring: ScoringSettings | None = None,
    protocol: Protocol | None = None,
) -> Path:
    """Score checkpoints, persistence, anomaly persistence, climatology and ridge on every window.

    Args:
        training_set: Zarr store made by `pipelines.training_sets.prepare`.
        window: frames; those of the checkpoints must be the same.
        split: `train`, `validation` or `test`.
        checkpoints: model name -> checkpoint file.
        out: folder; `scores.nc` and `scores.json` are written into it, `statistics.nc`, the
            sums of every init time, and `forecasts/<model>.zarr` where they are to be kept.
        batch_size: windows at once; it does not change the scores.
        device: where the networks run.
        scoring: regions, intervals, kept forecasts; None for the defaults.
        protocol: the terms that the networks were trained on; None for the clean ones.

    Returns:
        Path of `scores.nc`. Definitions: docs/verification.md.

    Raises:
        DataError: if the split has no window, a checkpoint does not fit, or a region has no
            point.
    """
    data = TrainingSet.open(training_set)
    windows = windows_in_split(data, split, window)
    terms = protocol or Protocol()
    networks = _networks(
        data, split, protocol=terms, window=window, checkpoints=checkpoints, device=device
    )
    scores = score_pass(
        networks | _baselines(data, window=window, checkpoints=checkpoints),
        windows,
        data=data,
        window=window,
        out=out,
        batch_size=batch_size,
        device=device,
        settings=scoring or ScoringSettings(),
        provenance={
            **_provenance(data, split=split, window=window),
            "num_windows": len(windows),
            "protocol": terms.name,
        },
        rmse_batch_size=terms.rmse_batch_size,
    )
    path = RunFolder(out).scores
    write_netcdf(path, scores)
    write_text(
        RunFolder(out).scores_json, json.dumps(_to_json(scores), indent=1, allow_nan=False) + "\n"
    )
    logger.info("scored %d models on %d windows: %s", scores.sizes["model"], len(windows), path)
    return path


def write_examples(
    training_set: Path,
    *,
    window: WindowSpec,
    split: str,
    checkpoints: Mapping[str, Path],
    out: Path,
    num: int = 1,
    protocol: Protocol | None = None,
) -> Path:
    """Write the middle windows of a split with every model's forecast, in physical units.

    Returns:
        Path of `example.nc`: `inputs(example, input_time_offset, input_channel, latitude,
        longitude)` of the channels that are seen, and of those that are forecast
        `targets(example, lead_time, channel, ...)`, `last_input(example, channel, ...)` and
        `predictions(model, example, lead_time, channel, ...)`; NaN at points without a value, and
        where nothing was seen.

    Raises:
        DataError: if the split has fewer windows than asked, or a checkpoint does not fit.
    """
    data = TrainingSet.open(training_set)
    windows = windows_in_split(data, split, window)
    if not 1 <= num <= len(windows):
        raise DataError(
            f"asked for {num} examples of split {split!r}; expected 1 to {len(windows)}"
        )
    first = (len(windows) - num) // 2
    batch = torch.utils.data.default_collate(windows.__getitems__(range(first, first + num)))
    forecasts = _networks(
        data, split, protocol=protocol or Protocol(), window=window, checkpoints=checkpoints,
        device="cpu",
    ) | _baselines(data, window=window, checkpoints=checkpoints)  # fmt: skip
    with torch.inference_mode():
        forecast_frames = torch.stack(
            [forecast(batch["inputs"], batch["init_time"]) for forecast in forecasts.values()]
        )
    inputs, targets, predictions = (
        data.normalizer.denormalize(x).numpy()
        for x in (batch["inputs"], batch["targets"], forecast_frames)
    )
    if data.valid is not None:
        inputs, targets, predictions = map(data.valid.blanked, (inputs, targets, predictions))
    last = inputs[:, -1].copy()
    last[:, hidden_places(window, data.channels)] = np.nan
    seen, asked = (places(window, data.channels) for places in (seen_places, forecast_places))
    field = ("channel", "latitude", "longitude")
    init_time = batch["init_time"].numpy().astype("datetime64[h]").astype("datetime64[ns]")
    examples = xr.Dataset(
        {
            "inputs": (
                ("example", "input_time_offset", "input_channel", *field[1:]), inputs[:, :, seen],
            ),
            "last_input": (("example", *field), last[:, asked]),
            "targets": (("example", "lead_time", *field), targets[:, :, asked]),
            "predictions": (
                ("model", "example", "lead_time", *field), predictions[:, :, :, asked],
            ),
        },
        coords={
            "model": list(forecasts),
            "init_time": ("example", init_time),
            "input_time_offset": (
                "input_time_offset", list(window.input_hours), {"units": "hours"},
            ),
            "lead_time": ("lead_time", list(window.target_hours), {"units": "hours"}),
            "channel": list(forecast_channels(window, data.channels)),
            "input_channel": list(seen_channels(window, data.channels)),
            "units": ("channel", [data.units[place] for place in asked]),
            "latitude": ("latitude", list(data.grid.latitude), {"units": "degrees_north"}),
            "longitude": ("longitude", list(data.grid.longitude), {"units": "degrees_east"}),
        },
        attrs=_provenance(data, split=split, window=window),
    )  # fmt: skip
    path = RunFolder(out).examples
    write_netcdf(path, examples)
    return path


def _networks(
    data: TrainingSet,
    split: str,
    *,
    protocol: Protocol,
    window: WindowSpec,
    checkpoints: Mapping[str, Path],
    device: str,
) -> dict[str, ForecastFunction]:
    """Give every checkpoint as a forecast function, in order."""
    loaded = load_fitting(checkpoints, data=data, window=window, device=device)
    own = split_normalizer(data, split) if protocol.own_statistics else None
    return {
        name: network_forecast(
            checkpoint.network,
            trained_with=own or checkpoint.normalizer,
            applied_to=data.normalizer,
            valid=checkpoint.valid,
            hidden=hidden_places(window, data.channels),
        )
        for name, checkpoint in loaded.items()
    }


def _baselines(
    data: TrainingSet, *, window: WindowSpec, checkpoints: Mapping[str, Path]
) -> dict[str, ForecastFunction]:
    """Give the forecasts without a network, in order."""
    hidden = hidden_places(window, data.channels)
    baselines = baseline_forecasts(data.climatology, window, hidden=hidden)
    baselines["ridge"] = ridge_forecast(fitted_ridge(data, window=window).forecast)
    taken = sorted(set(baselines) & set(checkpoints))
    if taken:
        raise DataError(f"found a checkpoint named {taken[0]}; expected no name of a baseline")
    return baselines


def _provenance(data: TrainingSet, *, split: str, window: WindowSpec) -> dict[str, Any]:
    """Say what the numbers were made from."""
    return {
        "split": split,
        "training_set": data.attrs["fingerprint"],
        "archive_snapshot": data.attrs["archive_snapshot"],
        "attribution": data.attrs["attribution"],
        "form": data.attrs.get("form", "weather"),
        "climatology": data.climatology.description,
        "input_hours": list(window.input_hours),
        "stride_hours": window.stride_hours,
        **{role: ", ".join(labels) for role in ROLES if (labels := getattr(window, role))},
    }


def _to_json(scores: xr.Dataset) -> dict[str, Any]:
    """Give the same numbers as nested plain values, by name; undefined scores are null."""

    def by_name(values: xr.DataArray, dims: tuple[str, ...]) -> Any:
        names = [[str(name) for name in values[dim].values] for dim in dims]
        return _nested(values.transpose(*dims, ...).values.tolist(), names)

    dims = ("model", "metric", "weighting", "channel")
    return {
        "attrs": dict(scores.attrs),
        "lead_time_hours": scores["lead_time"].values.tolist(),
        "count": scores["count"].values.tolist(),
        "units": by_name(scores["units"], ("channel",)),
        **{name: by_name(scores[name], ("model",)) for name in _BY_MODEL},
        **{name: by_name(scores[name], dims) for name in ("pooled", "score")},
    }


def _nested(values: Any, names: Sequence[Sequence[str]]) -> Any:
    """Name the outer lists; undefined numbers become null."""
    if names:
        pairs = zip(names[0], values, strict=True)
        return {name: _nested(inner, names[1:]) for name, inner in pairs}
    if isinstance(values, list):
        return [_nested(value, ()) for value in values]
    return None if isinstance(values, float) and not math.isfinite(values) else values
