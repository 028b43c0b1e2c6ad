"""Ridge regression on anomalies: the linear yardstick that every network must beat.

Fields are normalized, and so are climatology and anomalies.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float64
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from met2net.data.climatology import Climatology
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import WindowDataset, WindowSpec
from met2net.forecasting.forecast_function import ForecastFunction
from met2net.forecasting.linear_form import linear_settings
from met2net.forecasting.normal_equations import (
    NormalEquations,
    NormalSums,
    SampleGroup,
    sample_groups,
)
from met2net.models.linear_forecast import LinearForecast

__all__ = [
    "BAND_REGULARIZATIONS",
    "REGULARIZATIONS",
    "Ridge",
    "fit_ridge",
    "ridge_forecast",
]

REGULARIZATIONS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0, math.inf)
"""Of the weights' distance from those of damped persistence, tried on the validation split; in
units of a training sample's squared anomaly (about 1). The last is damped persistence itself."""
BAND_REGULARIZATIONS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, math.inf)
"""Of the weights of a band of latitudes, or of a part of the day, towards those of all; with the
last they are the same."""

_MOST_SAMPLES = 300_000
_CHUNK = 2**23  # numbers at once: 64 MB


@dataclass(frozen=True, eq=False)
class Ridge:
    """A fitted linear map from the last anomalies to the anomalies of every lead time.

    Attributes:
        forecast: the map and its climatology, in float32.
        settings: from which `LinearForecast` is built.
        regularization: chosen of `REGULARIZATIONS`, a lead time.
        band_regularization: chosen of `BAND_REGULARIZATIONS`, a lead time; of bands of latitudes or
            of parts of the day.
        residual: standard deviation of what is left on the training windows, (lead time, channel).
    """

    forecast: LinearForecast
    settings: dict[str, Any]
    regularization: tuple[float, ...]
    band_regularization: tuple[float, ...]
    residual: Float64[np.ndarray, "l c"]

    @property
    def description(self) -> str:
        """What it looks at and how it was regularized, in words."""
        form = self.forecast.form
        sees = "the whole field"
        if form.num_day_parts > 1:
            sees += f" in {form.num_day_parts} parts of the day"
        if form.stencil is not None:
            sees = f"{form.stencil} x {form.stencil} points in {form.num_bands} bands of latitudes"
        chosen = sorted(set(self.regularization))
        return (
            f"{len(form.frames)} frames of {sees}, regularization "
            f"{' to '.join(f'{value:g}' for value in dict.fromkeys((chosen[0], chosen[-1])))}"
        )


def fit_ridge(
    train: WindowDataset,
    validation: WindowDataset,
    *,
    climatology: Climatology,
    window: WindowSpec,
    periodic_longitude: bool = False,
    valid: ValidPoints | None = None,
) -> Ridge:
    """Fit on the training windows; choose the regularization on the validation windows.

    What it looks at is chosen by `linear_form`; beyond the field's edge there is no anomaly, but
    for the edge between the last and the first longitude of a grid that goes round the globe.
    There is no constant term, since anomalies are without mean. Weights are those closest to the
    training windows that do not go far from damped persistence, the last anomaly of a point times a
    number a lead time and channel: where days of data tell little, it is the better guess than no
    anomaly at all. Weights of a band of latitudes, or
    of a part of the day, are those closest to its windows that do not go far from the weights of
    all; both regularizations are chosen for every lead time by itself. The normal equations are
    summed in float64, a chunk of windows at a time; where windows (times points) are more than
    300,000, every n-th window is taken. A point without a value has no anomaly where others look at
    it, and is no sample of what is forecast; a channel that is not seen has no anomaly, and is
    forecast from the others.
    Source: Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634.

    Args:
        train: windows to fit on.
        validation: windows to choose on.
        climatology: normalized, as the fields.
        window: of both splits.
        periodic_longitude: whether the grid goes round the globe (`Grid.is_periodic`).
        valid: points with a value; None: all of them.

    Raises:
        ValueError: if there is no training or no validation window.
    """
    for name, windows in (("training", train), ("validation", validation)):
        if len(windows) == 0:
            raise ValueError(f"there are no {name} windows; expected at least one")
    settings = linear_settings(
        window,
        shape=tuple(train[0]["inputs"].shape[1:]),
        climatology_shape=climatology.values.shape,
        periodic_longitude=periodic_longitude,
        hidden=train.hidden,
    )
    forecast = LinearForecast(**settings)
    forecast.climatology.fit(climatology)
    # A map of whole fields has a predicted number a point, 0 where there is no value.
    by_point = None if forecast.form.stencil is None else valid
    groups = sample_groups(by_point, num_leads=window.num_targets)
    sums, checks = (_normal_equations(windows, forecast, groups) for windows in (train, validation))
    every, checked = NormalEquations.together(sums), NormalEquations.together(checks)
    leads = window.num_targets
    sources, marks = _last_anomalies(forecast)
    damped = every.multiples(sources, alike=marks)
    candidates = [every.solve(value, towards=damped) for value in REGULARIZATIONS]
    chosen = _best([checked.squared_error(weights) for weights in candidates], leads)
    whole = _of_leads(candidates, chosen)
    if len(sums) == 1:
        bands, chosen_bands = whole[None], [len(BAND_REGULARIZATIONS) - 1] * leads
    else:
        tried = [
            np.stack([one.solve(value, towards=whole) for one in sums])
            for value in BAND_REGULARIZATIONS
        ]
        errors = [
            np.sum([c.squared_error(w) for c, w in zip(checks, one, strict=True)], axis=0)
            for one in tried
        ]
        chosen_bands = _best(errors, leads)
        bands = _of_leads(tried, chosen_bands)
    forecast.weights.copy_(torch.from_numpy(bands))
    left = np.sum([s.squared_error(w) for s, w in zip(sums, bands, strict=True)], axis=0)
    per_channel = left.reshape(leads, settings["num_channels"], -1)
    counts = every.counts.reshape(per_channel.shape)
    if valid is not None and forecast.form.stencil is None:
        counts = counts * valid.mask.reshape(settings["num_channels"], -1)
    return Ridge(
        forecast,
        settings=settings,
        regularization=tuple(REGULARIZATIONS[i] for i in chosen),
        band_regularization=tuple(BAND_REGULARIZATIONS[i] for i in chosen_bands),
        residual=np.sqrt(np.maximum(per_channel.sum(axis=-1), 0.0) / counts.sum(axis=-1)),
    )


def ridge_forecast(forecast: LinearForecast) -> ForecastFunction:
    """Forecast the climatology of every valid time plus the predicted anomaly."""

    def run(inputs: Tensor, init_time: Tensor) -> Tensor:
        with torch.no_grad():
            fields: Tensor = forecast.to(inputs.device)(inputs, init_time.to(inputs.device))
        return fields

    return run


def _last_anomalies(forecast: LinearForecast) -> tuple[np.ndarray, np.ndarray]:
    """Give, of every predicted number, the predictor that is its point's last anomaly, and a mark.

    Lead times and channels have marks of their own; points share them.
    """
    form, leads = forecast.form, len(forecast.target_hours)
    width = form.stencil
    points = (width, width) if width is not None else forecast.grid_shape
    frames = len(form.frames)
    channels = forecast.weights.shape[1] // (frames * points[0] * points[1])
    last = np.arange(frames * channels * points[0] * points[1])
    last = last.reshape(frames, channels, *points)[-1]  # frames: oldest first
    sources = last if width is None else last[:, width // 2, width // 2]
    marks = np.arange(leads * channels).reshape(leads, channels, *(1,) * (sources.ndim - 1))
    shape = (leads, *sources.shape)
    return np.broadcast_to(sources, shape).ravel(), np.broadcast_to(marks, shape).ravel()


def _best(errors: Sequence[np.ndarray], leads: int) -> list[int]:
    """Give the place of the least error of every lead time; the first of equals."""
    a_lead = np.stack([error.reshape(leads, -1).sum(axis=1) for error in errors])
    return [int(place) for place in a_lead.argmin(axis=0)]


def _of_leads(candidates: Sequence[np.ndarray], chosen: Sequence[int]) -> np.ndarray:
    """Put the chosen weights of every lead time together; predicted numbers are the last axis."""
    width = candidates[0].shape[-1] // len(chosen)
    return np.concatenate(
        [
            candidates[place][..., lead * width : (lead + 1) * width]
            for lead, place in enumerate(chosen)
        ],
        axis=-1,
    )


def _normal_equations(
    windows: WindowDataset, forecast: LinearForecast, groups: tuple[SampleGroup, ...]
) -> list[NormalEquations]:
    """Sum over windows, a band of latitudes, or a part of the day, apart."""
    sums: list[tuple[Tensor, Tensor, Tensor, int]] = []  # map after map, in it group after group
    for anomalies, targets, init_time in _samples(windows, forecast):
        maps = _maps(forecast, anomalies, targets, init_time)
        parts = (group.samples(x, y, rows=rows) for rows, x, y in maps for group in groups)
        for number, (x, y) in enumerate(parts):
            if len(sums) <= number:
                sums.append((x.T @ x, x.T @ y, y.square().sum(0), len(x)))
                continue
            a, b, energy, count = sums[number]
            a.addmm_(x.T, x)
            b.addmm_(x.T, y)
            sums[number] = a, b, energy + y.square().sum(0), count + len(x)
    every = [NormalSums(a.numpy(), b.numpy(), e.numpy(), n) for a, b, e, n in sums]
    return [
        NormalEquations(groups, tuple(every[first : first + len(groups)]))
        for first in range(0, len(every), len(groups))
    ]


def _samples(
    windows: WindowDataset, forecast: LinearForecast
) -> Iterator[tuple[Float64[Tensor, "b l c h w"], Float64[Tensor, "b l2 c h w"], Tensor]]:
    """Give anomalies of inputs and targets, and init times, some windows at a time."""
    height, width = forecast.grid_shape
    per_window = 1 if forecast.form.stencil is None else height * width
    taken = range(0, len(windows), -(-len(windows) * per_window // _MOST_SAMPLES))
    size = per_window * sum(forecast.weights.shape[1:])
    loader = DataLoader(Subset(windows, taken), batch_size=max(1, _CHUNK // size))
    for batch in loader:
        init_time = batch["init_time"]
        then = forecast.climatology(init_time, forecast.target_hours)
        yield (
            forecast.anomalies(batch["inputs"], init_time).double(),
            (batch["targets"] - then).double(),
            init_time,
        )


def _maps(
    forecast: LinearForecast, anomalies: Tensor, targets: Tensor, init_time: Tensor
) -> Iterator[tuple[slice, Float64[Tensor, "n p"], Float64[Tensor, "n q"]]]:
    """Lay out, for every set of weights, a sample a window, or a sample a window and point.

    Yields:
        The latitudes of the samples' points, predictors, predicted.
    """
    stencil = forecast.form.stencil
    if stencil is None:
        part = forecast.day_part(init_time)
        for number in range(forecast.form.num_day_parts):
            now = part == number
            yield slice(None), anomalies[now].flatten(1), targets[now].flatten(1)
        return
    padded = forecast.padded(anomalies)
    for rows in forecast.bands():
        fields = padded[..., rows.start : rows.stop + stencil - 1, :]
        squares = fields.unfold(2, stencil, 1).unfold(3, stencil, 1)
        yield (
            rows,
            rearrange(squares, "b p h w y x -> (b h w) (p y x)"),
            rearrange(targets[..., rows, :], "b l c h w -> (b h w) (l c)"),
        )
