"""Ridge regression on anomalies: the linear yardstick that every network must beat.

Fields are normalized, and so are climatology and anomalies.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Float, Float64, Int64
from torch import Tensor
from torch.utils.data import DataLoader, Subset

from met2net.data.climatology import Climatology
from met2net.data.windows import WindowDataset, WindowSpec
from met2net.forecasting.baseline_forecasts import climatology_of_hours
from met2net.forecasting.forecast_function import ForecastFunction

__all__ = ["REGULARIZATIONS", "Ridge", "fit_ridge", "ridge_forecast"]

REGULARIZATIONS = (1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1)
"""Tried on the validation split; in units of a training sample's squared anomaly (about 1)."""

_LAGS = (0, 1, 2, 3, 5, 8)  # frames back from the last; the oldest comes on top
_MOST_PREDICTORS = 1_024  # the work a window grows with the square
_MOST_SAMPLES = 2_000_000
_CHUNK = 2**23  # numbers at once: 64 MB


@dataclass(frozen=True, eq=False)
class Ridge:
    """A linear map from the last anomalies to the anomalies of every lead time.

    Attributes:
        weights: predictors by predicted numbers. Predictors are (lag, channel, latitude,
            longitude) of the whole field, or of the square of 3 x 3 points around a point;
            predicted are (lead time, channel, latitude, longitude), or (lead time, channel)
            of that point, the same weights at every point.
        frames: positions of the input frames used, oldest first.
        is_local: by squares of points.
        regularization: chosen of `REGULARIZATIONS`.
        periodic_longitude: the squares of points go on across the edge between the last and the
            first longitude.
    """

    weights: Float64[np.ndarray, "predictors predicted"]
    frames: tuple[int, ...]
    is_local: bool
    regularization: float
    periodic_longitude: bool = False


def fit_ridge(
    train: WindowDataset,
    validation: WindowDataset,
    *,
    climatology: Climatology,
    window: WindowSpec,
    periodic_longitude: bool = False,
) -> Ridge:
    """Fit on the training windows; choose the regularization on the validation windows.

    Predictors are the anomalies of seven input frames, those 0, 1, 2, 3, 5 and 8 frames back
    and the oldest (as many of them as there are): of the whole field where these are at most
    1,024 numbers, else of 3 x 3 points around every point, with no anomaly beyond the field's
    edge, but for the edge between the last and the first longitude of a grid that goes round the
    globe. There is no constant term, since anomalies are without mean. The normal equations are
    summed in float64, a chunk of windows at a time; where windows (times points) are more than
    2,000,000, every n-th window is taken.
    Source: Hoerl and Kennard 1970, doi:10.1080/00401706.1970.10488634.

    Args:
        train: windows to fit on.
        validation: windows to choose on.
        climatology: normalized, as the fields.
        window: of both splits.
        periodic_longitude: whether the grid goes round the globe (`Grid.is_periodic`).

    Raises:
        ValueError: if there is no training or no validation window.
    """
    for name, windows in (("training", train), ("validation", validation)):
        if len(windows) == 0:
            raise ValueError(f"there are no {name} windows; expected at least one")
    shape = train[0]["inputs"].shape  # (T, C, H, W)
    oldest = shape[0] - 1
    frames = tuple(sorted({oldest - lag for lag in _LAGS if lag <= oldest} | {0}))
    is_local = len(frames) * math.prod(shape[1:]) > _MOST_PREDICTORS
    sums, checks = (
        _NormalEquations.of(
            windows,
            climatology=climatology,
            window=window,
            frames=frames,
            is_local=is_local,
            periodic_longitude=periodic_longitude,
        )
        for windows in (train, validation)
    )
    candidates = [(value, sums.solve(value)) for value in REGULARIZATIONS]
    # The first of equals, so that the choice is the same everywhere.
    regularization, weights = min(candidates, key=lambda each: checks.squared_error(each[1]))
    return Ridge(
        weights,
        frames=frames,
        is_local=is_local,
        regularization=regularization,
        periodic_longitude=periodic_longitude,
    )


def ridge_forecast(ridge: Ridge, climatology: Climatology, window: WindowSpec) -> ForecastFunction:
    """Forecast the climatology of every valid time plus the predicted anomaly."""
    weights = torch.from_numpy(ridge.weights)

    def forecast(
        inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"]
    ) -> Float[Tensor, "b l c h w"]:
        anomalies = _anomalies(
            inputs, init_time, climatology, offsets=window.input_hours, positions=ridge.frames
        )
        predictors = _predictors(
            anomalies, is_local=ridge.is_local, periodic_longitude=ridge.periodic_longitude
        )
        predicted = predictors @ weights.to(anomalies)
        leads, channels, height, width = window.num_targets, *inputs.shape[2:]
        if ridge.is_local:
            fields = rearrange(
                predicted, "(b h w) (l c) -> b l c h w", l=leads, c=channels, h=height, w=width
            )
        else:
            fields = rearrange(
                predicted, "b (l c h w) -> b l c h w", l=leads, c=channels, h=height, w=width
            )
        then = climatology_of_hours(climatology, init_time, window.target_hours).to(inputs)
        return then + fields

    return forecast


@dataclass(frozen=True, eq=False)
class _NormalEquations:
    """Sums over samples of predictors x predictors, predictors x predicted, predicted squared."""

    predictors: Float64[np.ndarray, "p p"]
    products: Float64[np.ndarray, "p q"]
    energy: float
    num_samples: int

    @classmethod
    def of(
        cls,
        windows: WindowDataset,
        *,
        climatology: Climatology,
        window: WindowSpec,
        frames: tuple[int, ...],
        is_local: bool,
        periodic_longitude: bool,
    ) -> "_NormalEquations":
        """Sum over windows."""
        pairs = _samples(
            windows,
            climatology=climatology,
            window=window,
            frames=frames,
            is_local=is_local,
            periodic_longitude=periodic_longitude,
        )
        first, predicted = next(pairs)
        sums = first.T @ first, first.T @ predicted
        energy, count = predicted.square().sum(), len(first)
        for x, y in pairs:
            sums[0].addmm_(x.T, x)
            sums[1].addmm_(x.T, y)
            energy += y.square().sum()
            count += len(x)
        return cls(sums[0].numpy(), sums[1].numpy(), float(energy), count)

    def solve(self, regularization: float) -> Float64[np.ndarray, "p q"]:
        """Minimize squared error + samples * regularization * squared weights."""
        penalty = self.num_samples * regularization * np.eye(len(self.predictors))
        weights: np.ndarray = np.linalg.solve(self.predictors + penalty, self.products)
        return weights

    def squared_error(self, weights: Float64[np.ndarray, "p q"]) -> float:
        """Give the squared error that weights have on these samples, from the sums alone."""
        fitted = np.sum(weights * (self.predictors @ weights))
        return float(self.energy - 2 * np.sum(weights * self.products) + fitted)


def _samples(
    windows: WindowDataset,
    *,
    climatology: Climatology,
    window: WindowSpec,
    frames: tuple[int, ...],
    is_local: bool,
    periodic_longitude: bool,
) -> Iterator[tuple[Float64[Tensor, "n p"], Float64[Tensor, "n q"]]]:
    """Give predictors and predicted anomalies, some windows at a time."""
    channels, height, width = windows[0]["inputs"].shape[1:]
    per_window = height * width if is_local else 1
    rows = range(0, len(windows), -(-len(windows) * per_window // _MOST_SAMPLES))
    size = per_window * max(
        len(frames) * channels * (9 if is_local else height * width),
        window.num_targets * channels * (1 if is_local else height * width),
    )
    loader = DataLoader(Subset(windows, rows), batch_size=max(1, _CHUNK // size))
    for batch in loader:
        init_time = batch["init_time"]
        inputs = _anomalies(
            batch["inputs"].double(), init_time, climatology,
            offsets=window.input_hours, positions=frames,
        )  # fmt: skip
        targets = _anomalies(
            batch["targets"].double(), init_time, climatology,
            offsets=window.target_hours, positions=range(window.num_targets),
        )  # fmt: skip
        pattern = "b l c h w -> (b h w) (l c)" if is_local else "b l c h w -> b (l c h w)"
        predictors = _predictors(inputs, is_local=is_local, periodic_longitude=periodic_longitude)
        yield predictors, rearrange(targets, pattern)


def _anomalies(
    frames: Tensor,
    init_time: Tensor,
    climatology: Climatology,
    *,
    offsets: tuple[int, ...],
    positions: Sequence[int],
) -> Tensor:
    """Subtract the climatology from some frames."""
    hours = tuple(offsets[position] for position in positions)
    means = climatology_of_hours(climatology, init_time, hours).to(frames)
    return frames[:, list(positions)] - means


def _predictors(
    anomalies: Float[Tensor, "b l c h w"], *, is_local: bool, periodic_longitude: bool
) -> Float[Tensor, "n p"]:
    """Lay out a row a window, or a row a window and point with the points around it."""
    if not is_local:
        return rearrange(anomalies, "b l c h w -> b (l c h w)")
    fields = rearrange(anomalies, "b l c h w -> b (l c) h w")
    if periodic_longitude:
        fields = F.pad(fields, (1, 1, 0, 0), mode="circular")
    squares = F.unfold(fields, 3, padding=(1, 0 if periodic_longitude else 1))
    return rearrange(squares, "b p n -> (b n) p")
