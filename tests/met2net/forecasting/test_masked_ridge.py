"""The linear yardstick where a channel lacks values: no sample, no residual, no anomaly."""

import numpy as np
import pytest
import torch

from met2net.data.climatology import Climatology
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import WindowDataset, WindowSpec, find_windows
from met2net.forecasting import linear_form as linear_form_module
from met2net.forecasting import ridge as ridge_module
from met2net.forecasting.ridge import Ridge, fit_ridge

WINDOW = WindowSpec((0,), (1, 2))
NONE = Climatology(np.zeros((1, 24, 2, 3, 4), dtype=np.float32))
MASK = np.ones((2, 3, 4), dtype=bool)
MASK[1, 0, :2] = MASK[1, 2, 3] = False


def make_fields(num: int, seed: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    fields = [random.normal(size=MASK.shape)]
    for _ in range(num - 1):
        fields.append(0.7 * np.roll(fields[-1], 1, axis=-1) + random.normal(size=MASK.shape))
    return np.where(MASK, np.stack(fields), 0).astype(np.float32)


def make_windows(fields: np.ndarray) -> WindowDataset:
    hours = np.arange(len(fields), dtype=np.int64)
    rows = find_windows(hours, spec=WINDOW, in_split=np.ones(len(hours), dtype=bool))
    return WindowDataset(fields, hours=hours, windows=rows, spec=WINDOW)


def fit(valid: ValidPoints | None) -> Ridge:
    windows = [make_windows(make_fields(300, seed)) for seed in (1, 2)]
    return fit_ridge(*windows, climatology=NONE, window=WINDOW, valid=valid)


def test_squares_of_points_are_fitted_on_points_with_a_value_alone(monkeypatch):
    monkeypatch.setattr(linear_form_module, "_MOST_PREDICTORS", 1)
    monkeypatch.setattr(linear_form_module, "_STENCILS", (3,))
    monkeypatch.setattr(ridge_module, "REGULARIZATIONS", (1e-3, 1e-2))
    found = fit(ValidPoints(MASK))
    fields = make_fields(300, 1).astype(np.float64)
    padded = np.pad(fields, ((0, 0), (0, 0), (1, 1), (1, 1)))
    weights = found.forecast.weights[0].numpy().reshape(18, 2, 2)  # predictors, lead, channel
    for channel in (0, 1):
        points = np.argwhere(MASK[channel])
        seen = np.concatenate(
            [padded[:-2, :, y : y + 3, x : x + 3].reshape(298, -1) for y, x in points]
        )
        for place, lead in enumerate(WINDOW.target_hours):
            aim = np.concatenate([fields[lead : 298 + lead, channel, y, x] for y, x in points])
            penalty = len(aim) * found.regularization[place]
            centre = 9 * channel + 4  # what weights are kept near: the point's own anomaly, damped
            damped = np.zeros(18)
            damped[centre] = seen[:, centre] @ aim / (seen[:, centre] @ seen[:, centre])
            expected = np.linalg.solve(
                seen.T @ seen + penalty * np.eye(18), seen.T @ aim + penalty * damped
            )
            np.testing.assert_allclose(weights[:, place, channel], expected, atol=1e-5)
            left = np.sqrt(np.mean((aim - seen @ expected) ** 2))
            assert found.residual[place, channel] == pytest.approx(left, rel=1e-6)


def test_of_whole_fields_the_residual_is_that_of_points_with_a_value():
    masked, plain = fit(ValidPoints(MASK)), fit(None)
    torch.testing.assert_close(masked.forecast.weights, plain.forecast.weights, rtol=0, atol=0)
    share = MASK.mean(axis=(1, 2))
    np.testing.assert_allclose(masked.residual, plain.residual / np.sqrt(share), rtol=1e-12)
    forecast = masked.forecast(torch.randn(3, 1, 2, 3, 4), torch.tensor([0, 7, 30]))
    assert (forecast[:, :, torch.from_numpy(~MASK)] == 0).all()
