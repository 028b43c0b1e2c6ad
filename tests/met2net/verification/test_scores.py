import gc
import tracemalloc

import numpy as np
import pytest
import torch
import xarray as xr

from met2net.data.climatology import Climatology
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.seasons import season_of
from met2net.data.windows import WindowDataset, WindowSpec, find_windows, hours_since_epoch
from met2net.forecasting.baseline_forecasts import baseline_forecasts
from met2net.verification.regions import Region, box
from met2net.verification.scores import score_windows

GRID = Grid((60.0, 30.0), (0.0, 10.0, 20.0))
NORMALIZER = Normalizer(("t2m", "msl"), (280.0, 101_000.0), (10.0, 800.0))
WINDOW = WindowSpec((-1, 0), (1, 2, 6))
NUM_HOURS = 40


def _climatology(seed=1):
    values = np.random.default_rng(seed).normal(size=(1, 24, 2, 2, 3))
    return Climatology(values.astype(np.float32))


def _windows(fields):
    hours = np.arange(1000, 1000 + len(fields))
    windows = find_windows(hours, spec=WINDOW, in_split=np.ones(len(fields), bool))
    return WindowDataset(fields, hours=hours, windows=windows, spec=WINDOW)


def _fields(seed=0):
    return np.random.default_rng(seed).normal(size=(NUM_HOURS, 2, 2, 3)).astype(np.float32)


def _score(forecasts, fields, *, batch_size=64, regions=()):
    return score_windows(
        forecasts, _windows(fields), window=WINDOW, climatology=_climatology(), grid=GRID,
        normalizer=NORMALIZER,
        training_std=np.array(NORMALIZER.std), units=["K", "Pa"], batch_size=batch_size,
        regions=regions,
    )  # fmt: skip


def _zero(inputs, init_time):
    return torch.zeros(len(inputs), 3, 2, 2, 3)


def test_zeros_against_ones_are_off_by_one_standard_deviation():
    scores = _score({"zero": _zero}, np.ones((NUM_HOURS, 2, 2, 3), np.float32))
    rmse = scores.score.sel(model="zero", metric="rmse")
    for channel, std in (("t2m", 10.0), ("msl", 800.0)):
        np.testing.assert_allclose(rmse.sel(channel=channel), std)
        assert scores.pooled.sel(metric="mse", channel=channel, weighting="area") == std**2
        assert scores.pooled.sel(metric="bias", channel=channel, weighting="plain") == -std
    assert scores.normalized_rmse.item() == 1.0


def test_layout_is_the_contract():
    scores = _score(baseline_forecasts(_climatology(), WINDOW), _fields())
    assert scores.score.dims == ("model", "metric", "weighting", "channel", "lead_time")
    assert scores.pooled.dims == ("model", "metric", "weighting", "channel")
    assert scores.metric.values.tolist() == [
        "mse", "mae", "rmse", "bias", "acc", "r2", "acc_centred", "pcc",
    ]  # fmt: skip
    assert scores.weighting.values.tolist() == ["area", "plain"]
    assert scores.lead_time.values.tolist() == [1, 2, 6]
    assert scores.lead_time.attrs["units"] == "hours"
    assert scores["units"].values.tolist() == ["K", "Pa"]
    assert scores["count"].values.tolist() == [NUM_HOURS - 7] * 3


def test_persistence_by_explicit_formula():
    fields = _fields()
    scores = _score(baseline_forecasts(_climatology(), WINDOW), fields)
    last = np.arange(1, NUM_HOURS - 6)
    error = (fields[last].astype(float) - fields[last + 6])[:, 1] * 800.0
    found = scores.score.sel(model="persistence", channel="msl", lead_time=6)
    assert found.sel(metric="mse", weighting="plain").item() == pytest.approx((error**2).mean())
    weighted = error**2 * GRID.area_weights()[:, None]
    assert found.sel(metric="mse", weighting="area").item() == pytest.approx(weighted.mean())


def test_pooling_takes_squared_errors_before_the_root():
    scores = _score(baseline_forecasts(_climatology(), WINDOW), _fields())
    by_lead = scores.score.sel(model="persistence", metric="mse")
    pooled = scores.pooled.sel(model="persistence", metric="rmse")
    np.testing.assert_allclose(pooled, np.sqrt(by_lead.mean("lead_time")))
    normalized = (pooled.sel(weighting="plain") / np.array([10.0, 800.0])).mean()
    assert scores.normalized_rmse.sel(model="persistence").item() == pytest.approx(
        normalized.item()
    )


def test_the_climatology_has_no_anomaly_correlation():
    scores = _score(baseline_forecasts(_climatology(), WINDOW), _fields())
    acc = scores.score.sel(metric="acc")
    assert np.isnan(acc.sel(model="climatology")).all()
    assert np.isfinite(acc.sel(model="anomaly_persistence")).all()


def test_batch_size_does_not_change_scores():
    forecasts = baseline_forecasts(_climatology(), WINDOW)
    one, all_at_once = (_score(forecasts, _fields(), batch_size=n) for n in (1, 64))
    for name in ("score", "pooled", "normalized_rmse"):
        # Sums in another order; R2 subtracts two of them.
        np.testing.assert_allclose(one[name], all_at_once[name], rtol=1e-12, atol=1e-12)


def test_a_region_is_scored_as_a_field_of_its_own():
    fields = _fields()
    forecasts = {"zero": _zero}
    first_row = box("north", GRID, south=50.0, north=70.0, west=0.0, east=360.0)
    corner = Region("corner", np.array([[False, False, False], [True, False, False]]))
    scores = _score(forecasts, fields, regions=(first_row, corner))
    assert scores["region"].values.tolist() == ["all", "north", "corner"]
    np.testing.assert_array_equal(scores["regional"].sel(region="all"), scores["score"])
    north = scores["regional"].sel(region="north", model="zero", metric="mse", channel="t2m")
    valid = [np.arange(1, NUM_HOURS - 6) + lead for lead in (1, 2, 6)]
    expected = [(fields[v, 0, 0].astype(float) ** 2).mean() * 100 for v in valid]
    np.testing.assert_allclose(north, [expected, expected], rtol=1e-12)
    point = scores["regional"].sel(region="corner", model="zero", metric="bias", channel="msl")
    expected = [-fields[v, 1, 1, 0].astype(float).mean() * 800 for v in valid]
    np.testing.assert_allclose(point, [expected, expected], rtol=1e-12)


def test_hours_and_seasons_are_those_of_the_init_time():
    fields = _fields()
    scores = _score({"zero": _zero}, fields)
    place = {"model": "zero", "metric": "mae", "weighting": "plain", "channel": "t2m"}
    hourly = scores["hourly"].sel(place | {"lead_time": 2})
    hours = 1000 + np.arange(NUM_HOURS)
    rows = np.flatnonzero(hours[1 : NUM_HOURS - 6] % 24 == 17) + 1
    expected = np.abs(fields[rows + 2, 0].astype(float)).mean() * 10
    assert hourly.sel(init_hour=17).item() == pytest.approx(expected, rel=1e-12)
    # Hours 1000 to 1040 since 1970 are in February.
    seasonal = scores["seasonal"].sel(place)
    np.testing.assert_allclose(seasonal.sel(season="DJF"), scores["score"].sel(place))
    assert np.isnan(seasonal.sel(season=["MAM", "JJA", "SON"])).all()


def test_seasons_open_with_december():
    months = np.array([f"2019-{month:02}-15" for month in range(1, 13)], "datetime64[h]")
    found = season_of(hours_since_epoch(months)).tolist()
    assert found == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 0]


def test_acc_of_single_init_times_is_averaged():
    fields, climatology = _fields(), _climatology()
    scores = _score(baseline_forecasts(climatology, WINDOW), fields)
    found = scores["acc_per_time"].sel(
        model="persistence", acc_form="uncentred", weighting="plain", channel="t2m", lead_time=6
    )
    rows = np.arange(1, NUM_HOURS - 6)
    then = climatology.at(1000 + rows + 6)[:, 0].astype(float)
    f, o = fields[rows, 0].astype(float) - then, fields[rows + 6, 0].astype(float) - then
    dims = (1, 2)
    each = (f * o).sum(dims) / np.sqrt((f**2).sum(dims) * (o**2).sum(dims))
    assert found.item() == pytest.approx(each.mean(), rel=1e-6)  # float32 anomalies
    assert np.isnan(scores["acc_per_time"].sel(model="climatology", acc_form="uncentred")).all()


def test_skill_is_against_persistence_and_climatology():
    scores = _score(baseline_forecasts(_climatology(), WINDOW), _fields())
    mse = scores["score"].sel(metric="mse")
    for reference in ("persistence", "climatology"):
        expected = 1 - mse / mse.sel(model=reference, drop=True)
        found = scores["mse_skill"].sel(reference=reference, drop=True)
        xr.testing.assert_allclose(found, expected.drop_vars("metric").transpose(*found.dims))
    assert "vector_wind_rmse" not in scores and "mse_skill" not in _score({"z": _zero}, _fields())


def test_memory_does_not_grow_with_the_number_of_windows():
    grid = Grid(tuple(60.0 - i for i in range(16)), tuple(map(float, range(24))))
    climatology = Climatology(np.zeros((1, 24, 2, 16, 24), np.float32))

    def peak(num_hours):
        windows = _windows(np.zeros((num_hours, 2, 16, 24), np.float32))
        gc.collect()
        tracemalloc.start()
        score_windows(
            baseline_forecasts(climatology, WINDOW), windows, window=WINDOW,
            climatology=climatology, grid=grid, normalizer=NORMALIZER,
            training_std=np.array(NORMALIZER.std), units=["K", "Pa"], batch_size=32,
        )  # fmt: skip
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    peak(500)  # what is cached the first time
    # The smallest of some: other threads of the process allocate, too.
    least = {hours: min(peak(hours) for _ in range(2)) for hours in (100, 500)}
    assert least[500] <= 1.05 * least[100]


def test_no_gradient_is_kept():
    parameter = torch.nn.Parameter(torch.zeros(()))

    def forecast(inputs, init_time):
        assert not torch.is_grad_enabled()
        return _zero(inputs, init_time) + parameter

    _score({"network": forecast}, _fields())


def test_wrong_forecasts_are_refused_by_name():
    with pytest.raises(ValueError, match=r"short forecasts shape \(33, 2, .*expected \(33, 3, "):
        _score({"short": lambda inputs, _: torch.zeros(len(inputs), 2, 2, 2, 3)}, _fields())
    with pytest.raises(ValueError, match="cannot score broken: forecast has .* not finite"):
        _score({"broken": lambda inputs, t: _zero(inputs, t) * torch.nan}, _fields())
    with pytest.raises(ValueError, match="no windows"):
        _score({"zero": _zero}, _fields()[:7])
