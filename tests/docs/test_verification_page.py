"""The formulas of docs/verification.md, each in a few lines beside the number it defines.

In the order of the page. Formulas whose numbers come from elsewhere have their tests there:
climatology: test_climatology.py
(test_smoothing_weighs_days_by_their_samples_and_goes_round_the_year); ridge: test_ridge.py
(test_it_agrees_with_least_squares_on_the_whole_field); regions as boxes, land and sea:
test_regions.py; `benchmark`: test_benchmark_scores.py; how often intervals hold the truth and
differences are found: test_block_bootstrap.py, test_paired_tests.py; sums and batches:
test_statistics.py, test_scores.py; CKA and HSIC: test_cka.py (test_hsic_equals_the_formula_of_song,
test_batches_are_averaged_before_the_ratio); distributions: test_sample_properties.py; costs:
test_costs_file.py; attention: test_attention.py; storms: test_cyclones.py, test_great_circle.py.
"""

import numpy as np
import pytest
import torch
import xarray as xr
from scipy import stats

from met2net.data.climatology import Climatology
from met2net.data.grid import Grid, equiangular
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowDataset, WindowSpec, find_windows
from met2net.forecasting.baseline_forecasts import baseline_forecasts
from met2net.verification.block_bootstrap import BlockBootstrap, Estimate
from met2net.verification.field_sums import FieldSums
from met2net.verification.regions import box
from met2net.verification.score_intervals import score_intervals
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.scores import score_windows
from met2net.verification.statistics import zero_statistics

BOX = Grid(tuple(60.0 - 4 * i for i in range(12)), tuple(10.0 + 2 * i for i in range(14)))
CHANNELS = ("u10", "v10")
NORMALIZER = Normalizer(CHANNELS, (3.0, -1.0), (20.0, 9.0))  # not by mean and deviation
STD, MEAN = np.array([5.0, 4.0]), np.array([1.0, 0.5])  # of the training split [m s-1]
RANGE = np.array([[-16.0, -14.0], [18.0, 15.0]])
WINDOW = WindowSpec((-1, 0), (6, 12))
BOOTSTRAP = BlockBootstrap(block_days=2, num_resamples=300)
START, NUM_HOURS = 438_288 - 10 * 24, 20 * 24  # ten days before and after New Year 2020
MODELS = ("persistence", "anomaly_persistence", "climatology")


class Page:
    """Scores of three baselines on made-up winds, and what goes into the formulas.

    Forecasts `f` (model, n, l, c, h, w), observations `o` and climatology `clim` (n, l, c, h, w)
    are in physical units.
    """

    def __init__(self) -> None:
        rng = np.random.default_rng(0)
        rows = np.cos(np.deg2rad(BOX.latitude))[:, None]
        mean = 6 * rng.normal(size=(24, 2, 12, 14)) * rows
        hours = START + np.arange(NUM_HOURS)
        noise = rng.normal(size=(NUM_HOURS, 2, 12, 14))
        for hour in range(1, NUM_HOURS):
            noise[hour] = 0.9 * noise[hour - 1] + 0.45 * noise[hour]
        weather = (mean[hours % 24] + 4 * noise).astype(np.float32).astype(np.float64)
        scale, shift = (np.array(x)[:, None, None] for x in (NORMALIZER.std, NORMALIZER.mean))
        fields = ((weather - shift) / scale).astype(np.float32)
        climatology = Climatology(((mean - shift) / scale)[None].astype(np.float32))
        self.weather, means = (x * scale + shift for x in (fields, climatology.values[0]))
        found = find_windows(hours, spec=WINDOW, in_split=np.ones(NUM_HOURS, bool))
        windows = WindowDataset(fields, hours=hours, windows=found, spec=WINDOW)
        sums = FieldSums(
            grid=BOX, value_range=(RANGE - NORMALIZER.mean) / NORMALIZER.std,
            mean=(MEAN - NORMALIZER.mean) / NORMALIZER.std,
        )  # fmt: skip
        self.kept = {}
        self.region = box("south", BOX, south=10.0, north=30.0, west=10.0, east=20.0)
        self.scores = score_windows(
            baseline_forecasts(climatology, WINDOW), windows, window=WINDOW,
            climatology=climatology, grid=BOX, normalizer=NORMALIZER, training_std=STD,
            units=["m s-1"] * 2, regions=[self.region],
            watchers=[sums.add, lambda b: self.kept.setdefault(b.model, []).append(b)],
        )  # fmt: skip
        self.looks = sums.to_dataset(
            std=np.array(NORMALIZER.std), channels=CHANNELS, lead_time=WINDOW.target_hours
        )
        self.init_time = np.concatenate([b.init_time for b in self.kept["persistence"]])
        self.intervals = score_intervals(
            self.read, scores=self.scores, init_time=self.init_time,
            std=np.array(NORMALIZER.std), training_std=STD, bootstrap=BOOTSTRAP,
            yardsticks=("climatology",),
        )  # fmt: skip
        at = self.init_time - START
        then = at[:, None] + np.array(WINDOW.target_hours)
        self.o = self.weather[then]
        self.clim = means[(START + then) % 24]
        now = self.weather[at][:, None]
        # x(t); clim(t + l) + x(t) - clim(t); clim(t + l)
        self.f = np.stack([
            np.broadcast_to(now, self.o.shape),
            self.clim + now - means[(START + at) % 24][:, None],
            self.clim,
        ])  # fmt: skip
        south, north = (np.deg2rad(np.array(BOX.latitude) + side) for side in (-2, 2))
        area = np.sin(north) - np.sin(south)
        self.w = {"area": np.repeat((area / area.mean())[:, None], 14, axis=1),
                  "plain": np.ones((12, 14))}  # fmt: skip

    def read(self, model, lead):
        for batch in self.kept[model]:
            yield batch.init_time, np.moveaxis(batch.statistics.stacked()[:, :, 0, :, lead], 1, 0)


@pytest.fixture(scope="module")
def page() -> Page:
    return Page()


def metrics(f, o, clim, w):
    """The table of definitions; means over init times and points."""

    def mean(x):
        return (w * x).mean() / np.broadcast_to(w, x.shape).mean()

    def correlation(x, y):
        x, y = x - mean(x), y - mean(y)
        return mean(x * y) / np.sqrt(mean(x**2) * mean(y**2))

    e, fa, oa = f - o, f - clim, o - clim
    return {
        "mse": mean(e**2),
        "rmse": np.sqrt(mean(e**2)),
        "mae": mean(abs(e)),
        "bias": mean(e),
        "acc": mean(fa * oa) / np.sqrt(mean(fa**2) * mean(oa**2)),
        "r2": 1 - mean(e**2) / mean((o - mean(o)) ** 2),
        "acc_centred": correlation(fa, oa),
        "pcc": correlation(f, o),
    }


TOLERANCE = {"rtol": 1e-4, "atol": 1e-6}  # forecasts are float32


def close(found, expected):
    np.testing.assert_allclose(np.asarray(found), expected, **TOLERANCE)


@pytest.mark.parametrize("weighting", ["area", "plain"])
@pytest.mark.parametrize("place", [0, 1])
def test_score_and_pooled_are_the_table_of_definitions(page, place, weighting):
    w = page.w[weighting]
    for c, channel in enumerate(CHANNELS):
        at = {"model": MODELS[place], "weighting": weighting, "channel": channel}
        for lead, hours in enumerate(WINDOW.target_hours):
            expected = metrics(*(x[:, lead, c] for x in (page.f[place], page.o, page.clim)), w)
            for metric, value in expected.items():
                close(page.scores["score"].sel(**at, metric=metric, lead_time=hours), value)
        for metric, value in metrics(
            *(x[:, :, c] for x in (page.f[place], page.o, page.clim)), w
        ).items():
            close(page.scores["pooled"].sel(**at, metric=metric), value)


def test_normalized_rmse(page):
    for place, model in enumerate(MODELS):
        rmse = np.sqrt(((page.f[place] - page.o) ** 2).mean(axis=(0, 1, 3, 4)))
        close(page.scores["normalized_rmse"].sel(model=model), (rmse / STD).mean())


def test_count(page):
    close(page.scores["count"], len(page.o))


def test_regional_seasonal_and_hourly_are_the_same_metrics_of_a_part(page):
    f, o, clim = page.f[1][:, 0, 1], page.o[:, 0, 1], page.clim[:, 0, 1]
    at = {"model": MODELS[1], "channel": "v10", "lead_time": 6}
    for weighting, w in page.w.items():
        inside = metrics(f, o, clim, w * page.region.mask / (w * page.region.mask).mean())
        month = page.init_time.astype("datetime64[h]").astype("datetime64[M]").astype(int) % 12
        winter = np.isin(month, [11, 0, 1])
        assert winter.all()  # DJF; the other seasons have no score
        early = page.init_time % 24 == 3
        parts = {
            ("regional", "region", "south"): inside,
            ("seasonal", "season", "DJF"): metrics(f, o, clim, w),
            ("hourly", "init_hour", 3): metrics(f[early], o[early], clim[early], w),
        }
        for (name, axis, label), expected in parts.items():
            for metric, value in expected.items():
                found = page.scores[name].sel(**at, weighting=weighting, metric=metric)
                close(found.sel({axis: label}), value)
    assert np.isnan(page.scores["seasonal"].sel(season="JJA")).all()


def test_mse_skill(page):
    mse = ((page.f - page.o) ** 2).mean(axis=(1, 4, 5))  # model l c
    found = page.scores["mse_skill"].sel(model=MODELS[1], weighting="plain")
    for reference, place in (("persistence", 0), ("climatology", 2)):
        close(found.sel(reference=reference), (1 - mse[1] / mse[place]).T)


@pytest.mark.parametrize("weighting", ["area", "plain"])
def test_acc_per_time(page, weighting):
    f, o, clim = page.f[0][:, 1, 0], page.o[:, 1, 0], page.clim[:, 1, 0]
    single = [metrics(*x, page.w[weighting]) for x in zip(f, o, clim, strict=True)]
    at = {"model": MODELS[0], "weighting": weighting, "channel": "u10", "lead_time": 12}
    found = page.scores["acc_per_time"].sel(at)
    close(found.sel(acc_form="uncentred"), np.mean([m["acc"] for m in single]))
    close(found.sel(acc_form="centred"), np.mean([m["acc_centred"] for m in single]))


def test_vector_wind_rmse(page):
    error = page.f[0] - page.o
    expected = np.sqrt((error**2).sum(axis=2).mean(axis=(0, 2, 3)))
    found = page.scores["vector_wind_rmse"].sel(model=MODELS[0], weighting="plain", wind="wind10")
    close(found, expected)


def test_psnr_and_ssim(page):
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(taps, taps) / np.outer(taps, taps).sum()

    def smooth(x):
        mirrored = np.pad(x, ((0, 0), (5, 5), (5, 5)), mode="reflect")
        views = np.lib.stride_tricks.sliding_window_view(mirrored, (11, 11), axis=(1, 2))
        return np.einsum("nhwij,ij->nhw", views, window)

    for c, channel in enumerate(CHANNELS):
        f, o = (
            (x[:, 0, c] - RANGE[0, c]) / (RANGE[1, c] - RANGE[0, c]) for x in (page.f[0], page.o)
        )
        mf, mo = smooth(f), smooth(o)
        covariance = smooth(f * o) - mf * mo
        variances = smooth(f**2) - mf**2 + smooth(o**2) - mo**2
        ssim = (2 * mf * mo + 0.01**2) * (2 * covariance + 0.03**2)
        ssim /= (mf**2 + mo**2 + 0.01**2) * (variances + 0.03**2)
        psnr = 10 * np.log10(1 / ((f - o) ** 2).mean(axis=(1, 2)))
        found = page.looks["image_quality"].sel(model=MODELS[0], channel=channel, lead_time=6)
        close(found.sel(image_metric="ssim"), ssim.mean())
        close(found.sel(image_metric="psnr"), psnr.mean())


def spectrum(rows, weights):
    """|F_k|^2 / W^2, doubled but for 0 and W / 2, rows averaged by area."""
    width = rows.shape[-1]
    power = abs(np.fft.fft(rows)) ** 2 / width**2
    power = power[..., : width // 2 + 1] * np.where(
        np.isin(np.arange(width // 2 + 1), [0, width / 2]), 1, 2
    )
    return np.einsum("...hk,h->...k", power, weights / len(weights))


def test_power_spectra_in_a_box(page):
    x = np.arange(14)
    hann = np.sin(np.pi * (x + 0.5) / 14) ** 2
    hann /= np.sqrt((hann**2).mean())
    anomalies = (page.o[:, 1] - MEAN[:, None, None]).reshape(-1, 14)
    lines = np.array([np.polyval(np.polyfit(x, row, 1), x) for row in anomalies])
    rows = ((anomalies - lines) * hann).reshape(-1, 2, 12, 14)
    expected = spectrum(rows, page.w["area"][:, 0]).mean(axis=0)
    close(page.looks["observed_power"].sel(lead_time=12), expected)


def test_power_spectra_round_the_globe():
    globe = equiangular(30.0)
    sums = FieldSums(grid=globe, value_range=np.array([[0.0], [1.0]]), mean=np.array([0.25]))
    fields = np.random.default_rng(0).normal(size=(5, 1, 1, *globe.shape))
    tensor = torch.from_numpy(fields)
    nothing = zero_statistics(num_leads=1, num_channels=1)
    sums.add(ScoredBatch("a", np.arange(5), tensor, tensor, nothing))
    found = sums.to_dataset(std=np.array([3.0]), channels=["t2m"], lead_time=[1])
    south, north = (np.deg2rad(np.array(globe.latitude) + side) for side in (-15, 15))
    area = np.sin(north) - np.sin(south)
    expected = spectrum(3 * (fields - 0.25), area / area.mean()).mean(axis=0)[0, 0]
    close(found["power"].values.ravel(), expected)


# Intervals and tests


def students(resampled, without_day, estimate):
    """s and degrees of freedom, as the page has them."""
    num, b = len(without_day), BOOTSTRAP.block_days
    d = without_day - without_day.mean()
    rho = (d[1:] @ d[:-1]) / (d @ d)
    r = np.clip((num * rho + 1) / (num - 3), -0.5, 0.9)

    def t(r):
        return 1 + 2 * sum((1 - k / num) * r**k for k in range(1, num))

    def s(r):
        inner = sum(
            (1 - k / b) * ((num - k) * r**k + k * r ** (num - k)) / num for k in range(1, b)
        )
        return 1 + 2 * inner - t(r) * b / num

    p = [(np.sin(np.pi * j * b / num) / np.sin(np.pi * j / num)) ** 2 for j in range(1, num)]
    h = 1e-4
    slopes = [(np.log(g(r + h)) - np.log(g(r - h))) / (2 * h) for g in (t, s)]
    lost = max(slopes[0] ** 2 - slopes[1] ** 2, 0) * (1 - r**2) / (2 * num)
    degrees = 1 / (sum(np.square(p)) / sum(p) ** 2 + lost)
    return np.sqrt(resampled.var(ddof=1) * t(r) / s(r)), degrees


def daily_errors(page, place):
    """Sums of squared errors by day and channel, leads together, and their number."""
    days = page.init_time // 24
    squares = (page.f[place] - page.o) ** 2
    return np.array([
        [*squares[days == day].sum(axis=(0, 1, 3, 4)), squares[days == day, :, 0].size]
        for day in np.unique(days)
    ])  # fmt: skip


def normalized_rmses(page, place):
    """Of the sample, of every resample, and without each day."""
    by_day = daily_errors(page, place)
    counts = BOOTSTRAP.draw(len(by_day))
    rows = np.concatenate([np.ones((1, len(by_day))), counts, 1 - np.eye(len(by_day))]) @ by_day
    return (np.sqrt(rows[:, :2] / rows[:, 2:]) / STD).mean(axis=1)


def test_resamples_are_blocks_of_days_round_the_end():
    counts = BlockBootstrap(block_days=4, num_resamples=100, seed=1).draw(20)
    starts = np.random.default_rng(1).integers(20, size=(100, 5))
    for row, first in zip(counts, starts, strict=True):
        days = np.concatenate([(start + np.arange(4)) % 20 for start in first])
        np.testing.assert_array_equal(row, np.bincount(days, minlength=20))


def test_intervals_of_normalized_rmse_and_of_pooled_rmse(page):
    rows = np.log(normalized_rmses(page, 1))
    s, degrees = students(rows[1:301], rows[301:], rows[0])
    t = stats.t.ppf(0.975, degrees)
    for end, sign in (("low", -1), ("high", 1)):
        found = page.intervals[f"normalized_rmse_{end}"].sel(model=MODELS[1])
        np.testing.assert_allclose(found, np.exp(rows[0] + sign * t * s), rtol=1e-3)
    by_day = daily_errors(page, 1)
    counts = np.concatenate([np.ones((1, len(by_day))), BOOTSTRAP.draw(len(by_day)),
                             1 - np.eye(len(by_day))]) @ by_day  # fmt: skip
    rows = np.log(counts[:, 0] / counts[:, 2]) / 2
    s, degrees = students(rows[1:301], rows[301:], rows[0])
    at = {"model": MODELS[1], "metric": "rmse", "weighting": "plain", "channel": "u10"}
    expected = np.exp(rows[0] - stats.t.ppf(0.975, degrees) * s)
    np.testing.assert_allclose(page.intervals["pooled_low"].sel(at), expected, rtol=1e-3)


@pytest.mark.parametrize(
    ("metric", "there", "back"),
    [
        ("bias", lambda x: x, lambda x: x),
        ("acc", np.arctanh, np.tanh),
        ("r2", lambda x: np.log(1 - x), lambda x: 1 - np.exp(x)),
    ],
)
def test_the_scales_that_intervals_are_taken_on(page, metric, there, back):
    at = {"model": MODELS[0], "metric": metric, "weighting": "area", "channel": "v10"}
    value = there(page.scores["pooled"].sel(at).item())
    ends = [there(page.intervals[f"pooled_{end}"].sel(at).item()) for end in ("low", "high")]
    assert abs(value - ends[0]) == pytest.approx(abs(ends[1] - value), rel=1e-6)
    assert back(value) == pytest.approx(page.scores["pooled"].sel(at).item())


def test_p_value_and_interval_of_the_difference_from_the_best_yardstick(page):
    rows = normalized_rmses(page, 0) - normalized_rmses(page, 2)
    s, degrees = students(rows[1:301], rows[301:], rows[0])
    p_value = 2 * stats.t.cdf(-abs(rows[0]) / s, degrees)
    found = page.intervals.sel(model=MODELS[0])
    np.testing.assert_allclose(found["p_value"], p_value, rtol=0.02)
    half = stats.t.ppf(0.975, degrees) * s
    np.testing.assert_allclose(
        [found["difference_low"], found["difference_high"]], rows[0] + np.array([-half, half]),
        rtol=2e-3,
    )  # fmt: skip


def test_margins(page):
    first, second = (normalized_rmses(page, place) for place in (1, 0))
    rows = np.log(first / second)
    s, degrees = students(rows[1:301], rows[301:], rows[0])
    half = stats.t.ppf(0.975, degrees) * s
    found = page.intervals.sel(model=MODELS[1], other_model=MODELS[0])
    close(found["margin"], 1 - first[0] / second[0])
    expected = 1 - np.exp(rows[0] + np.array([half, -half]))
    np.testing.assert_allclose([found["margin_low"], found["margin_high"]], expected, rtol=2e-3)


def test_rmse_of_a_season_has_the_interval_of_its_days(page):
    # All is winter: as the pooled one.
    at = {"model": MODELS[1], "weighting": "plain", "channel": "u10"}
    for end in ("low", "high"):
        found = page.intervals[f"season_rmse_{end}"].sel(**at, season="DJF")
        close(found, page.intervals[f"pooled_{end}"].sel(**at, metric="rmse"))


def test_too_few_blocks_have_no_interval():
    few = Estimate.of(np.arange(310.0), bootstrap=BOOTSTRAP)  # 9 days are 4.5 blocks
    assert np.isnan(few.interval(0.95)).all()


@pytest.mark.parametrize(("lead", "horizon"), [(0, 6), (1, 12)])
def test_diebold_mariano(page, lead, horizon):
    losses = [
        (((page.f[place][:, lead] - page.o[:, lead]) / STD[:, None, None]) ** 2).mean(
            axis=(1, 2, 3)
        )
        for place in (0, 2)
    ]
    found = page.intervals.sel(model=MODELS[0], other_model=MODELS[2]).isel(lead_time=lead)
    check(found["dm_statistic"], found["dm_p_value"], losses, horizon)
    pooled = [
        (((page.f[place] - page.o) / STD[:, None, None]) ** 2).mean(axis=(1, 2, 3, 4))
        for place in (0, 2)
    ]
    check(found["pooled_dm_statistic"], found["pooled_dm_p_value"], pooled, 12)


def check(statistic: xr.DataArray, p_value: xr.DataArray, losses, h):
    d = losses[0] - losses[1]
    n, deviation = len(d), d - d.mean()
    gamma = [(deviation[k:] * deviation[: n - k]).sum() / n for k in range(h)]
    expected = d.mean() / np.sqrt((gamma[0] + 2 * sum(gamma[1:])) / n)
    expected *= np.sqrt((n + 1 - 2 * h + h * (h - 1) / n) / n)
    np.testing.assert_allclose(statistic, expected, rtol=1e-3)
    np.testing.assert_allclose(p_value, 2 * stats.t.cdf(-abs(expected), n - 1), rtol=2e-2)
