"""Scores of forecasters on a split, beside forecasts that need no training."""

from collections.abc import Mapping

import torch
import xarray as xr

from met2net.data.channel_roles import hidden_places
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.forecast import Forecaster
from met2net.forecasting.baseline_forecasts import baseline_forecasts
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.forecasting.network_forecast import network_forecast
from met2net.misfit import misfit
from met2net.verification.scores import score_windows

__all__ = ["score_forecasts"]


def score_forecasts(
    forecasts: Mapping[str, Forecaster | ForecastFunction],
    data: TrainingSet,
    *,
    split: str = "test",
    window: WindowSpec | None = None,
    baselines: bool = True,
    batch_size: int = 64,
) -> xr.Dataset:
    """Score forecasts on every window of a split.

    Args:
        forecasts: name -> forecaster, or a function of normalized inputs (B T C H W) and init
            times (B) that gives normalized forecasts (B T' C H W); of all channels, those that
            are only seen, too. Inputs hold 0 in channels that are not seen.
        data: fields, climatology, grid, units.
        split: `train`, `validation` or `test`.
        window: input hours and lead times; None: those of the forecasters.
        baselines: whether to score persistence, anomaly persistence and climatology, too.
        batch_size: windows at once; it does not change the scores.

    Returns:
        What `met2net.verification.scores.score_windows` gives: `score(model, metric, weighting,
        channel, lead_time)` in physical units, `normalized_rmse(model)` ...

    Raises:
        TypeError: if `forecasts` is no mapping of names.
        ValueError: if there is no window to score on or no forecast, or a forecaster does not fit
            the data.
    """
    if not isinstance(forecasts, Mapping):
        raise TypeError(
            f"forecasts is a {type(forecasts).__name__}; expected a mapping of names to "
            "forecasters, such as {'mine': forecaster}"
        )
    named = dict(forecasts)
    forecasters = {name: f for name, f in named.items() if isinstance(f, Forecaster)}
    if window is None:
        if not forecasters:
            raise ValueError("found no forecaster; expected one, or a `window`")
        window = next(iter(forecasters.values())).checkpoint.window
    hidden = hidden_places(window, data.channels)
    functions = baseline_forecasts(data.climatology, window, hidden=hidden) if baselines else {}
    twice = sorted(set(functions) & set(named))
    if twice:
        raise ValueError(f"forecasts has {', '.join(twice)}, a baseline's name; expected another")
    for name, forecast in named.items():
        if isinstance(forecast, Forecaster):
            checkpoint = forecast.checkpoint
            problem = misfit(checkpoint, data=data, window=window)
            if problem is not None:
                raise ValueError(f"forecaster {name}: {problem}")
            functions[name] = network_forecast(
                checkpoint.network, trained_with=checkpoint.normalizer, applied_to=data.normalizer,
                valid=checkpoint.valid, hidden=hidden,
            )  # fmt: skip
        else:
            functions[name] = forecast
    windows = data.some_windows(split, window)
    devices = {
        tensor.device.type
        for forecaster in forecasters.values()
        for tensor in forecaster.checkpoint.network.state_dict().values()
    }
    if len(devices) > 1:
        raise ValueError(f"forecasters are on {', '.join(sorted(devices))}; expected one device")
    return score_windows(
        functions,
        windows,
        window=window,
        climatology=data.climatology,
        grid=data.grid,
        normalizer=data.normalizer,
        training_std=data.std,
        units=data.units,
        batch_size=batch_size,
        valid=data.valid,
        device=str(torch.device(devices.pop())) if devices else "cpu",
    )
