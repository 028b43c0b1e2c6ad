import numpy as np
import pytest
import torch

from met2net.data.climatology import Climatology
from met2net.data.windows import WindowDataset, WindowSpec, find_windows
from met2net.forecasting import linear_form as linear_form_module
from met2net.forecasting import ridge as module
from met2net.forecasting.ridge import (
    BAND_REGULARIZATIONS,
    REGULARIZATIONS,
    Ridge,
    fit_ridge,
    ridge_forecast,
)
from met2net.models.linear_forecast import LinearForm

WINDOW = WindowSpec.regular(num_inputs=4, num_targets=2)
CLIMATOLOGY = Climatology(np.random.default_rng(9).normal(size=(1, 24, 2, 2, 3)).astype(np.float32))


def make_windows(anomalies: np.ndarray, *, window: WindowSpec = WINDOW) -> WindowDataset:
    """Windows over hourly fields: the climatology plus these anomalies (time c h w)."""
    hours = np.arange(len(anomalies), dtype=np.int64)
    fields = CLIMATOLOGY.at(hours) + anomalies.astype(np.float32)
    windows = find_windows(hours, spec=window, in_split=np.ones(len(hours), dtype=bool))
    return WindowDataset(fields, hours=hours, windows=windows, spec=window)


def fading(num: int, *, seed: int, rate: float = 0.8, noise: float = 1.0) -> np.ndarray:
    """Anomalies that fade by a rate and are stirred by noise."""
    random = np.random.default_rng(seed)
    anomalies = [random.normal(size=(2, 2, 3))]
    for _ in range(num - 1):
        anomalies.append(rate * anomalies[-1] + noise * random.normal(size=(2, 2, 3)))
    return np.stack(anomalies)


def all_of(windows: WindowDataset) -> dict[str, torch.Tensor]:
    return torch.utils.data.default_collate([windows[i] for i in range(len(windows))])


def fit(train: np.ndarray, validation: np.ndarray) -> Ridge:
    return fit_ridge(
        make_windows(train), make_windows(validation), climatology=CLIMATOLOGY, window=WINDOW
    )


def forecast(ridge: Ridge, windows: WindowDataset) -> torch.Tensor:
    batch = all_of(windows)
    return ridge_forecast(ridge.forecast)(batch["inputs"], batch["init_time"])


@pytest.fixture
def local(monkeypatch):
    """Let small fields be too large to be seen whole: squares of 3 x 3 points."""
    monkeypatch.setattr(linear_form_module, "_MOST_PREDICTORS", 47)
    monkeypatch.setattr(linear_form_module, "_STENCILS", (3,))


def test_a_fading_anomaly_is_found_exactly():
    """Without noise the anomaly of the last frame tells all: a' = 0.5 a, then 0.25 a."""
    runs = [
        fading(6, seed=seed, rate=0.5, noise=0.0) * np.random.default_rng(seed).choice([1, 2])
        for seed in range(200)
    ]
    fields = np.concatenate(runs)
    hours = np.concatenate([24 * 100 * i + np.arange(6) for i in range(200)]).astype(np.int64)
    values = (CLIMATOLOGY.at(hours) + fields).astype(np.float32)
    rows = find_windows(hours, spec=WINDOW, in_split=np.ones(len(hours), dtype=bool))
    windows = WindowDataset(values, hours=hours, windows=rows, spec=WINDOW)
    ridge = fit_ridge(windows, windows, climatology=CLIMATOLOGY, window=WINDOW)
    torch.testing.assert_close(
        forecast(ridge, windows), all_of(windows)["targets"], atol=1e-3, rtol=0
    )


def test_it_agrees_with_least_squares_on_the_whole_field(monkeypatch):
    monkeypatch.setattr(module, "BAND_REGULARIZATIONS", (np.inf,))  # all day the same
    monkeypatch.setattr(module, "REGULARIZATIONS", (1e-2, 1e-1))
    train, validation = fading(300, seed=1), fading(100, seed=2)
    ridge = fit(train, validation)
    assert ridge.forecast.form == LinearForm((0, 1, 2, 3), num_day_parts=8)
    assert len(set(ridge.regularization)) == 1
    rows = np.arange(len(train) - 5)
    predictors = np.concatenate([train[rows + i].reshape(len(rows), -1) for i in range(4)], axis=1)
    predicted = np.concatenate([train[rows + i].reshape(len(rows), -1) for i in (4, 5)], axis=1)
    # Ridge regression is least squares with rows that ask every weight to be the one of damped
    # persistence: the last anomaly of the point times a number a lead time and channel.
    damped = damped_persistence(train)
    scale = np.sqrt(len(rows) * ridge.regularization[0])
    weights = np.linalg.lstsq(
        np.concatenate([predictors, scale * np.eye(len(damped))]),
        np.concatenate([predicted, scale * damped]),
    )[0]
    # Our anomalies come from fields in float32.
    np.testing.assert_allclose(ridge.forecast.weights[0], weights, atol=1e-5)
    left = (predictors @ weights - predicted).reshape(len(rows), 2, 2, 6)
    np.testing.assert_allclose(ridge.residual, np.sqrt((left**2).mean(axis=(0, 3))), rtol=1e-4)


def damped_persistence(anomalies: np.ndarray) -> np.ndarray:
    """Weights of predictors (frame, channel, point) for predicted (lead, channel, point)."""
    weights = np.zeros((4, 2, 6, 2, 2, 6))
    fields = anomalies.reshape(len(anomalies), 2, 6)
    last = fields[3:-2]
    for lead in (1, 2):
        ahead = fields[3 + lead : len(fields) - 2 + lead]
        slopes = (last * ahead).sum(axis=(0, 2)) / (last**2).sum(axis=(0, 2))
        for channel, point in np.ndindex(2, 6):
            weights[3, channel, point, lead - 1, channel, point] = slopes[channel]
    return weights.reshape(48, 24)


def test_where_data_tell_little_it_is_damped_persistence(monkeypatch):
    """Six windows for 48 weights of each number; anomalies that fade by 0.8 an hour."""
    train, validation = fading(11, seed=1), fading(300, seed=2)
    ridge = fit(train, validation)
    assert min(ridge.regularization) >= 1e-1
    monkeypatch.setattr(module, "REGULARIZATIONS", (np.inf,))
    damped = fit(train, validation)
    expected = damped_persistence(train)
    for weights in damped.forecast.weights:  # of every part of the day
        np.testing.assert_allclose(weights, expected, atol=1e-6)
    windows = make_windows(validation)
    targets = all_of(windows)["targets"]
    errors = [float((forecast(one, windows) - targets).square().mean()) for one in (ridge, damped)]
    assert (
        errors[0]
        <= errors[1]
        < float((all_of(windows)["inputs"][:, -1:] - targets).square().mean())
    )


def test_the_regularization_is_the_best_on_the_validation_windows(monkeypatch):
    monkeypatch.setattr(module, "BAND_REGULARIZATIONS", (np.inf,))
    train, validation = fading(60, seed=1), fading(200, seed=2)
    ridge = fit(train, validation)
    windows = make_windows(validation)
    targets = all_of(windows)["targets"]
    errors = {}
    for value in REGULARIZATIONS:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(module, "REGULARIZATIONS", (value,))
            one = fit(train, validation)
        errors[value] = (forecast(one, windows) - targets).square().mean(dim=(0, 2, 3, 4))
    for lead in range(2):  # each for itself
        assert ridge.regularization[lead] == min(errors, key=lambda value: errors[value][lead])
    assert min(ridge.regularization) > min(REGULARIZATIONS)  # 55 windows for 48 predictors


def test_chunks_change_nothing(monkeypatch):
    train, validation = fading(120, seed=1), fading(60, seed=2)
    whole = fit(train, validation)
    monkeypatch.setattr(module, "_CHUNK", 300)  # six windows at a time
    parts = fit(train, validation)
    np.testing.assert_allclose(parts.forecast.weights, whole.forecast.weights, atol=1e-6)
    assert parts.regularization == whole.regularization


def test_on_large_fields_it_sees_the_points_around(local):
    train = fading(3000, seed=1, rate=0.0)
    # What is at a point comes from its western neighbour, an hour before.
    for i in range(1, len(train)):
        train[i, :, :, 1:] = train[i - 1, :, :, :-1]
    ridge = fit(train, train[:200])
    assert ridge.forecast.form == LinearForm((0, 1, 2, 3), stencil=3)
    assert ridge.forecast.weights.shape == (1, 4 * 2 * 9, 2 * 2)
    windows = make_windows(train[-100:])
    error = forecast(ridge, windows) - all_of(windows)["targets"]
    # The first column's chance likenesses pull at the weights, which all points share.
    assert error[:, 0, :, :, 1:].std() < 0.1
    assert error[:, 0, :, :, 0].std() > 0.8  # what comes in from outside, nobody knows
    assert error[:, 1, :, :, 2].std() > 0.8  # two points away, two hours before: out of sight


def test_on_the_globe_squares_go_on_across_the_edge(local):
    """What is at a point comes from its western neighbour, of which there is always one."""
    train = fading(3000, seed=1, rate=0.0)
    for i in range(1, len(train)):
        train[i] = 0.9 * np.roll(train[i - 1], 1, axis=-1) + 0.1 * train[i]
    kwargs = {"climatology": CLIMATOLOGY, "window": WINDOW}
    windows, last = make_windows(train), make_windows(train[-500:])
    errors = {}
    for is_periodic in (True, False):
        ridge = fit_ridge(windows, windows, **kwargs, periodic_longitude=is_periodic)
        assert ridge.forecast.periodic_longitude == is_periodic
        errors[is_periodic] = (forecast(ridge, last) - all_of(last)["targets"])[:, 0].std()
    # What is new at every step has a standard deviation of 0.1.
    assert errors[True] == pytest.approx(0.1, rel=0.05)
    assert errors[False] > 1.1 * errors[True]


def test_on_the_globe_its_forecasts_turn_with_the_fields(local):
    constant = Climatology(np.zeros((1, 24, 2, 2, 3), dtype=np.float32))
    windows = make_windows(fading(300, seed=1))
    batch = all_of(make_windows(fading(30, seed=3)))
    for is_periodic in (True, False):
        ridge = fit_ridge(
            windows, windows, climatology=CLIMATOLOGY, window=WINDOW,
            periodic_longitude=is_periodic,
        )  # fmt: skip
        ridge.forecast.climatology.fit(constant)
        give = ridge_forecast(ridge.forecast)
        there = give(batch["inputs"].roll(1, dims=-1), batch["init_time"])
        back = give(batch["inputs"], batch["init_time"]).roll(1, dims=-1)
        assert torch.allclose(there, back, atol=1e-5) == is_periodic


def test_too_many_samples_are_thinned_evenly(monkeypatch):
    train, validation = fading(305, seed=1), fading(60, seed=2)
    monkeypatch.setattr(module, "_MOST_SAMPLES", 100)
    thinned = fit(train, validation)
    window = WindowSpec.regular(num_inputs=4, num_targets=2, stride_hours=3)
    every_third = fit_ridge(
        make_windows(train, window=window), make_windows(validation),
        climatology=CLIMATOLOGY, window=WINDOW,
    )  # fmt: skip
    np.testing.assert_allclose(thinned.forecast.weights, every_third.forecast.weights, atol=1e-6)


@pytest.mark.parametrize(
    ("num_inputs", "frames"),
    [(1, (0,)), (4, (0, 1, 2, 3)), (7, (0, 1, 3, 4, 5, 6)), (12, (0, 3, 6, 8, 9, 10, 11))],
)
def test_frames_are_dense_at_the_end_and_reach_back_to_the_first(num_inputs, frames):
    window = WindowSpec.regular(num_inputs=num_inputs, num_targets=1)
    windows = make_windows(fading(60, seed=1), window=window)
    ridge = fit_ridge(windows, windows, climatology=CLIMATOLOGY, window=window)
    assert ridge.forecast.form.frames == frames


@pytest.mark.parametrize(("lengths", "name"), [((5, 60), "training"), ((60, 5), "validation")])
def test_missing_windows_are_refused(lengths, name):
    train, validation = (fading(length, seed=1) for length in lengths)
    with pytest.raises(ValueError, match=f"no {name} windows; expected at least one"):
        fit(train, validation)


def banded(num: int, *, seed: int) -> np.ndarray:
    """Fields (time, 1, 16, 6) that come from the west in the northern half, else from the east."""
    random = np.random.default_rng(seed)
    fields = [random.normal(size=(1, 16, 6))]
    for _ in range(num - 1):
        moved = 0.9 * np.roll(fields[-1], 1, axis=-1)
        moved[:, 8:] = 0.9 * np.roll(fields[-1][:, 8:], -1, axis=-1)
        fields.append(moved + 0.1 * random.normal(size=moved.shape))
    return np.stack(fields).astype(np.float32)


def banded_windows(fields: np.ndarray) -> WindowDataset:
    hours = np.arange(len(fields), dtype=np.int64)
    rows = find_windows(hours, spec=WINDOW, in_split=np.ones(len(hours), dtype=bool))
    return WindowDataset(fields, hours=hours, windows=rows, spec=WINDOW)


def test_bands_of_latitudes_have_weights_of_their_own_where_that_is_better(local, monkeypatch):
    none = Climatology(np.zeros((1, 24, 1, 16, 6), dtype=np.float32))
    train, last = (banded_windows(banded(400, seed=seed)) for seed in (1, 2))
    errors, chosen = {}, {}
    for values in (BAND_REGULARIZATIONS, BAND_REGULARIZATIONS[-1:]):
        monkeypatch.setattr(module, "BAND_REGULARIZATIONS", values)
        ridge = fit_ridge(train, last, climatology=none, window=WINDOW, periodic_longitude=True)
        error = forecast(ridge, last) - all_of(last)["targets"]
        errors[len(values)] = error[:, 0].std().item()
        chosen[len(values)] = ridge
    assert chosen[1].forecast.form == LinearForm((0, 1, 2, 3), stencil=3, num_bands=4)
    assert torch.equal(chosen[1].forecast.weights[0], chosen[1].forecast.weights[-1])
    assert errors[6] == pytest.approx(0.1, rel=0.1)
    assert errors[1] > 1.25 * errors[6]  # one map for both halves has to guess the direction
    assert "3 x 3 points in 4 bands of latitudes" in chosen[6].description


def by_the_clock(num: int, *, seed: int) -> np.ndarray:
    """Anomalies that keep their sign after hours from noon on, and change it after those before."""
    random = np.random.default_rng(seed)
    anomalies = [random.normal(size=(2, 2, 3))]
    for hour in range(num - 1):
        sign = 1 if hour % 24 >= 12 else -1
        anomalies.append(sign * 0.9 * anomalies[-1] + 0.1 * random.normal(size=(2, 2, 3)))
    return np.stack(anomalies)


def test_parts_of_the_day_have_weights_of_their_own_where_that_is_better(monkeypatch):
    train, validation = by_the_clock(2400, seed=1), by_the_clock(480, seed=2)
    ridge = fit(train, validation)
    windows = make_windows(validation)
    batch = all_of(windows)
    left = (forecast(ridge, windows) - batch["targets"])[:, 0].std().item()
    assert left == pytest.approx(0.1, rel=0.1)
    assert "the whole field in 8 parts of the day" in ridge.description
    monkeypatch.setattr(module, "BAND_REGULARIZATIONS", (np.inf,))
    guessing = (forecast(fit(train, validation), windows) - batch["targets"])[:, 0].std().item()
    assert guessing > 1.4 * left


def test_a_part_of_the_day_without_windows_has_the_weights_of_all():
    """Init times at 03 to 20 UTC only."""
    fields = fading(24 * 40, seed=1)
    hours = np.arange(len(fields), dtype=np.int64)
    rows = find_windows(hours, spec=WINDOW, in_split=np.ones(len(hours), dtype=bool))
    clock = hours[rows[:, 3]] % 24
    rows = rows[(clock >= 3) & (clock <= 20)]
    values = (CLIMATOLOGY.at(hours) + fields).astype(np.float32)
    windows = WindowDataset(values, hours=hours, windows=rows, spec=WINDOW)
    ridge = fit_ridge(windows, windows, climatology=CLIMATOLOGY, window=WINDOW)
    weights = ridge.forecast.weights
    torch.testing.assert_close(weights[0], weights[7])
    assert not torch.allclose(weights[0], weights[3])
