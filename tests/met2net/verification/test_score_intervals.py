import numpy as np
import pytest

from met2net.data.climatology import Climatology
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowDataset, WindowSpec, find_windows
from met2net.forecasting.baseline_forecasts import baseline_forecasts
from met2net.verification.block_bootstrap import BlockBootstrap
from met2net.verification.score_intervals import score_intervals
from met2net.verification.scores import score_windows

GRID = Grid((60.0, 30.0), (0.0, 10.0, 20.0))
NORMALIZER = Normalizer(("t2m", "msl"), (280.0, 101_000.0), (10.0, 800.0))
WINDOW = WindowSpec((0,), (6, 12))
BOOTSTRAP = BlockBootstrap(block_days=2, num_resamples=200)
YARDSTICKS = ("persistence", "climatology")


def _scored(num_hours=24 * 40):
    """Score baselines on noise and keep the statistics of every init time."""
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(num_hours, 2, 2, 3)).astype(np.float32)
    climatology = Climatology(np.zeros((1, 24, 2, 2, 3), np.float32))
    hours = np.arange(240_000, 240_000 + num_hours)
    found = find_windows(hours, spec=WINDOW, in_split=np.ones(num_hours, bool))
    windows = WindowDataset(fields, hours=hours, windows=found, spec=WINDOW)
    kept = {}
    scores = score_windows(
        baseline_forecasts(climatology, WINDOW), windows, window=WINDOW, climatology=climatology,
        grid=GRID, normalizer=NORMALIZER, training_std=np.array(NORMALIZER.std),
        units=["K", "Pa"],
        watchers=[lambda batch: kept.setdefault(batch.model, []).append(batch)],
    )  # fmt: skip

    def read(model, lead):
        for batch in kept[model]:
            sums = batch.statistics.stacked()[:, :, 0, :, lead]
            yield batch.init_time, np.moveaxis(sums, 1, 0)

    init_time = np.concatenate([batch.init_time for batch in kept["persistence"]])
    return read, scores, init_time


def _intervals(read, scores, init_time, *, bootstrap=BOOTSTRAP, yardsticks=YARDSTICKS):
    return score_intervals(
        read, scores=scores, init_time=init_time, std=np.array(NORMALIZER.std),
        training_std=np.array(NORMALIZER.std), bootstrap=bootstrap, yardsticks=yardsticks,
    )  # fmt: skip


def test_every_score_lies_in_its_interval():
    read, scores, init_time = _scored()
    found = _intervals(read, scores, init_time)
    for name in ("score", "pooled", "normalized_rmse"):
        low, high = found[f"{name}_low"], found[f"{name}_high"]
        assert low.dims == scores[name].dims
        is_known = np.isfinite(scores[name].values)
        assert (low.values <= high.values + 1e-12)[is_known].all()
        inside = (low <= scores[name] + 1e-9) & (scores[name] <= high + 1e-9)
        assert inside.values[is_known].mean() > 0.99


def test_intervals_of_noise_have_the_width_of_theory():
    read, scores, init_time = _scored()
    found = _intervals(read, scores, init_time, bootstrap=BlockBootstrap(block_days=2))
    # The climatology's squared errors are chi-squared: 949 hours x 6 points x 100 K^2, each
    # with a standard deviation of sqrt(2) of its mean; both ends 1.96 (t: 2.09) of it away.
    place = {"model": "climatology", "metric": "mse", "weighting": "plain", "channel": "t2m"}
    width = (found["score_high"] - found["score_low"]).sel(place, drop=True).isel(lead_time=0)
    expected = 2 * 2.09 * 100 * (2 / (len(init_time) * 6)) ** 0.5
    assert width.item() == pytest.approx(expected, rel=0.35)


def test_models_are_compared_with_the_best_yardstick():
    read, scores, init_time = _scored()
    found = _intervals(read, scores, init_time)
    # On noise, persistence errs by sqrt(2) and the climatology by 1.
    assert found["p_value"].attrs["compared_to"] == "climatology"
    assert found["p_value"].sel(model="persistence") < 1e-6
    assert found["difference_low"].sel(model="persistence") > 0.3
    assert found["difference_high"].sel(model="persistence") < 0.5
    assert np.isnan(found["p_value"].sel(model="climatology"))
    alone = _intervals(read, scores, init_time, yardsticks=())
    assert np.isnan(alone["p_value"]).all() and alone["p_value"].attrs["compared_to"] == ""


def test_a_short_period_has_no_intervals():
    read, scores, init_time = _scored(24 * 8)
    found = _intervals(read, scores, init_time)
    for name in ("score_low", "pooled_high", "normalized_rmse_low", "p_value"):
        assert np.isnan(found[name]).all()
    assert found["score_low"].shape == scores["score"].shape
