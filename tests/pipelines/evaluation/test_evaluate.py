import json
from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from met2net.checkpoint import load_checkpoint
from met2net.data.training_set import TrainingSet
from met2net.verification.metrics import in_physical_units
from met2net.verification.own_metrics import register_metric, unregister_metric
from met2net.verification.statistics import STATISTICS, Statistics
from pipelines.errors import DataError
from pipelines.evaluation.evaluate import evaluate, write_examples
from pipelines.evaluation.settings import EvaluationSettings, ScoringSettings
from pipelines.evaluation.statistics_file import read_init_times, read_statistics
from tests.own_metric import MeanDistance
from tests.pipelines.small_project import TEST_HOURS, WINDOW, make_checkpoint, make_training_set

BASELINES = ["persistence", "anomaly_persistence", "climatology", "ridge"]


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    return make_training_set(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def checkpoint(training_set, tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("models") / "m.safetensors", training_set)


def _evaluate(training_set, checkpoints, out, **options):
    options = {"window": WINDOW, "split": "test", **options}
    return evaluate(training_set, checkpoints=checkpoints, out=out, **options)


def _direct_rmse(training_set, predict):
    """Plain RMSE by channel in physical units, all leads and windows at once, in NumPy."""
    data = TrainingSet.open(training_set)
    windows = data.windows("test", WINDOW)
    inputs, targets = (
        torch.stack([windows[i][name] for i in range(len(windows))])
        for name in ("inputs", "targets")
    )
    predictions, truth = (
        data.normalizer.denormalize(x.double()).numpy() for x in (predict(inputs), targets)
    )
    return np.sqrt(((predictions - truth) ** 2).mean(axis=(0, 1, 3, 4)))


def test_no_score_depends_on_the_normalization(training_set, tmp_path):
    other = make_training_set(tmp_path, normalization="min_max")
    settings = ScoringSettings(block_days=1, num_resamples=100)
    found = []
    for number, path in enumerate((training_set, other)):
        out = tmp_path / str(number)
        with xr.open_dataset(_evaluate(path, {}, out, split="train", scoring=settings)) as scores:
            found.append(scores.load())
    # Ridge is fitted on normalized fields, and differences are from ridge, the best yardstick.
    assert found[0]["p_value"].attrs["compared_to"] == "ridge"
    first, second = (
        x.drop_sel(model="ridge", other_model="ridge").drop_vars(
            ["units", "difference_low", "difference_high", "p_value"]
        )
        for x in found
    )
    assert set(first.data_vars) == set(second.data_vars)
    pair = {"model": "persistence", "other_model": "climatology"}
    for name in ("margin_low", "dm_p_value", "pooled_dm_p_value"):
        assert np.isfinite(first[name].sel(pair)).all()
    for name in first.data_vars:
        # The climatology's own anomalies are rounding, whose correlations mean nothing.
        values = [x[name].values for x in (first, second)]
        if "metric" in first[name].dims or name == "acc_per_time":
            values = [x[name].drop_sel(model="climatology").values for x in (first, second)]
        np.testing.assert_allclose(*values, rtol=2e-4, atol=1e-5, err_msg=name)


def test_normalized_rmse_is_in_standard_deviations_of_the_training_split(tmp_path):
    path = make_training_set(tmp_path, normalization="min_max")
    data = TrainingSet.open(path)
    rows = np.flatnonzero(data.in_split("train"))
    fields = data.normalizer.denormalize(torch.from_numpy(data.fields[rows]).double()).numpy()
    np.testing.assert_allclose(data.std, fields.std(axis=(0, 2, 3)), rtol=1e-4)
    assert (np.asarray(data.normalizer.std) > 2 * data.std).all()  # what was divided by
    expected = (_direct_rmse(path, lambda x: x[:, -1:].repeat(1, 2, 1, 1, 1)) / data.std).mean()
    with xr.open_dataset(_evaluate(path, {}, tmp_path / "run")) as scores:
        found = scores["normalized_rmse"].sel(model="persistence").item()
        ends = scores["image_range"].values
    assert found == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(ends, [fields.min(axis=(0, 2, 3)), fields.max(axis=(0, 2, 3))],
                               rtol=1e-5, atol=1e-3)  # fmt: skip


def test_scores_hold_the_models_in_order_and_where_they_come_from(
    training_set, checkpoint, tmp_path
):
    path = _evaluate(training_set, {"b": checkpoint, "a": checkpoint}, tmp_path)
    assert path == tmp_path / "scores.nc"
    with xr.open_dataset(path) as scores:
        assert scores["model"].values.tolist() == ["b", "a", *BASELINES]
        assert scores["channel"].values.tolist() == ["t2m", "u10", "r850", "r1000"]
        assert scores["units"].values.tolist() == ["K", "m s-1", "%", "%"]
        assert scores["lead_time"].values.tolist() == [1, 2]
        assert scores["count"].values.tolist() == [TEST_HOURS - 4] * 2
        data = TrainingSet.open(training_set)
        assert scores.attrs["split"] == "test"
        assert scores.attrs["num_windows"] == TEST_HOURS - 4
        assert scores.attrs["training_set"] == data.attrs["fingerprint"]
        assert scores.attrs["archive_snapshot"] == data.attrs["archive_snapshot"]
        assert scores.attrs["climatology"] == "hour of day"
        assert np.array_equal(scores["score"].sel(model="a"), scores["score"].sel(model="b"))
    written = ["scores.json", "scores.nc", "statistics.nc"]
    assert sorted(p.name for p in tmp_path.iterdir()) == written


def test_scores_equal_a_direct_computation(training_set, checkpoint, tmp_path):
    network = load_checkpoint(checkpoint).network
    path = _evaluate(training_set, {"mine": checkpoint}, tmp_path, batch_size=5)
    with xr.open_dataset(path) as scores, torch.inference_mode():
        rmse = scores["pooled"].sel(metric="rmse", weighting="plain")
        direct = _direct_rmse(training_set, network)
        np.testing.assert_allclose(rmse.sel(model="mine"), direct, rtol=1e-5)
        last = _direct_rmse(training_set, lambda inputs: inputs[:, -1:].expand(-1, 2, -1, -1, -1))
        np.testing.assert_allclose(rmse.sel(model="persistence"), last, rtol=1e-5)
        std = np.array(TrainingSet.open(training_set).normalizer.std)
        assert scores["normalized_rmse"].sel(model="mine").item() == pytest.approx(
            (direct / std).mean(), rel=1e-5
        )


def test_json_says_the_same_with_null_for_undefined(training_set, checkpoint, tmp_path):
    path = _evaluate(training_set, {"mine": checkpoint}, tmp_path)
    text = json.loads((tmp_path / "scores.json").read_text())
    assert text["pooled"]["climatology"]["acc"]["area"]["t2m"] is None
    assert text["units"]["t2m"] == "K"
    assert text["attrs"]["split"] == "test"
    assert text["lead_time_hours"] == [1, 2]
    with xr.open_dataset(path) as scores:
        place = {"model": "mine", "metric": "mae", "weighting": "plain", "channel": "r850"}
        found = text["score"]["mine"]["mae"]["plain"]["r850"]
        assert found == scores["score"].sel(place).values.tolist()
        assert text["normalized_rmse"]["mine"] == scores["normalized_rmse"].sel(model="mine")


def test_statistics_of_every_init_time_add_up_to_the_scores(training_set, checkpoint, tmp_path):
    path = _evaluate(training_set, {"mine": checkpoint}, tmp_path, batch_size=5)
    statistics = tmp_path / "statistics.nc"
    first = np.datetime64("2016-01-09T02", "h").astype(int)
    np.testing.assert_array_equal(read_init_times(statistics), first + np.arange(TEST_HOURS - 4))
    std = np.array(TrainingSet.open(training_set).normalizer.std)
    with xr.open_dataset(path) as scores, xr.open_dataset(statistics) as file:
        assert file["init_time"].values[0] == np.datetime64("2016-01-09T02")
        assert file.attrs["training_set"] == scores.attrs["training_set"]
        for model in ("mine", "ridge"):
            for lead in range(2):
                sums = sum(part.sum(axis=0) for _, part in read_statistics(statistics, model, lead))
                # Statistic, weighting, lead, channel; kept in float32.
                found = in_physical_units(Statistics(*sums[:, :, None]), std=std)[:, :, 0]
                expected = scores["score"].sel(model=model).isel(lead_time=lead)
                np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)


def test_a_metric_of_one_s_own_has_intervals_and_leaves_the_files_readable(training_set, tmp_path):
    settings = ScoringSettings(block_days=1, num_resamples=100)
    register_metric(MeanDistance)
    try:
        with xr.open_dataset(
            _evaluate(training_set, {}, tmp_path / "own", split="train", scoring=settings)
        ) as scores:
            low, high = (scores[f"score_{end}"] for end in ("low", "high"))
            for ends in (low, high):
                found = ends.sel(metric="mean_distance").values
                assert np.isfinite(found).all()
                np.testing.assert_array_equal(found, ends.sel(metric="mae").values)
    finally:
        unregister_metric("mean_distance")
    path = tmp_path / "own" / "statistics.nc"
    ((_, without),) = read_statistics(path, "persistence", 0)  # whoever knows no such metric
    with xr.open_dataset(path) as file:
        assert file["compared_statistic"].values[-1] == "mean_distance.distance"
    _evaluate(training_set, {}, tmp_path / "plain", split="train", scoring=settings)
    register_metric(MeanDistance)
    try:
        ((_, own),) = read_statistics(path, "persistence", 0)
        ((_, unknown),) = read_statistics(tmp_path / "plain" / "statistics.nc", "persistence", 0)
    finally:
        unregister_metric("mean_distance")
    np.testing.assert_array_equal(own[:, :-1], without)
    np.testing.assert_array_equal(own[:, -1], own[:, STATISTICS.index("absolute_error")])
    np.testing.assert_array_equal(unknown[:, :-1], without)
    assert np.isnan(unknown[:, -1]).all()


def test_regions_intervals_and_kept_forecasts(training_set, checkpoint, tmp_path):
    data = TrainingSet.open(training_set)
    fraction = np.zeros(data.grid.shape)
    fraction[0] = 1.0
    axes = {"latitude": list(data.grid.latitude), "longitude": list(data.grid.longitude)}
    mask = tmp_path / "mask.nc"
    xr.Dataset({"lsm": (tuple(axes), fraction)}, coords=axes).to_netcdf(mask)
    edge = data.grid.latitude[0]
    boxes = {"top": {"south": edge - 0.1, "north": edge + 0.1, "west": 0, "east": 360}}
    path = _evaluate(
        training_set, {"mine": checkpoint}, tmp_path / "run",
        scoring=ScoringSettings(
            regions=boxes, land_sea_mask=str(mask), save_forecasts=True, block_days=1,
            num_resamples=100,
        ),
    )  # fmt: skip
    with xr.open_dataset(path) as scores:
        assert scores["region"].values.tolist() == ["all", "top", "land", "sea"]
        top, land = (scores["regional"].sel(region=name, drop=True) for name in ("top", "land"))
        xr.testing.assert_equal(top, land)
        # Two days of test data have fewer than five blocks.
        assert np.isnan(scores["normalized_rmse_low"]).all()
        assert scores.attrs["bootstrap"].startswith("blocks of 1 days, 100 resamples")
        assert {"image_quality", "power", "seasonal", "hourly", "mse_skill"} <= set(scores)
        rmse = scores["pooled"].sel(metric="rmse", weighting="plain", model="mine", channel="t2m")
        expected = rmse.item()
    stores = sorted(store.name for store in (path.parent / "forecasts").iterdir())
    assert stores == sorted(f"{name}.zarr" for name in ["mine", *BASELINES])
    windows = data.windows("test", WINDOW)
    truth = torch.stack([windows[i]["targets"] for i in range(len(windows))])
    truth = data.normalizer.denormalize(truth.double())[:, :, 0].numpy()
    with xr.open_zarr(path.parent / "forecasts" / "mine.zarr", chunks=None) as store:
        error = store["2m_temperature"].values - truth
        assert store.attrs["model"] == "mine" and store.sizes["init_time"] == len(windows)
        assert np.sqrt((error**2).mean()) == pytest.approx(expected, rel=1e-5)


def test_a_region_outside_the_grid_is_refused(training_set, tmp_path):
    boxes = {"pole": {"south": 89.9, "north": 90, "west": 0, "east": 1}}
    with pytest.raises(DataError, match="region pole has no point"):
        _evaluate(training_set, {}, tmp_path, scoring=ScoringSettings(regions=boxes))
    assert not list(tmp_path.iterdir())


def test_a_network_with_its_own_normalization_is_scored_in_it(training_set, checkpoint, tmp_path):
    data = TrainingSet.open(training_set)
    mean = tuple(
        m + 0.5 * s for m, s in zip(data.normalizer.mean, data.normalizer.std, strict=True)
    )
    other = replace(data.normalizer, mean=mean)
    shifted = make_checkpoint(tmp_path / "shifted.safetensors", training_set, normalizer=other)
    network = load_checkpoint(checkpoint).network
    path = _evaluate(training_set, {"shifted": shifted}, tmp_path)
    with xr.open_dataset(path) as scores, torch.inference_mode():
        direct = _direct_rmse(training_set, lambda inputs: network(inputs - 0.5) + 0.5)
        found = scores["pooled"].sel(model="shifted", metric="rmse", weighting="plain")
        np.testing.assert_allclose(found, direct, rtol=1e-5)


def test_a_checkpoint_may_not_take_the_name_of_a_baseline(training_set, checkpoint, tmp_path):
    with pytest.raises(DataError, match="named persistence; expected no name of a baseline"):
        _evaluate(training_set, {"persistence": checkpoint}, tmp_path)


def test_an_unknown_split_is_refused(training_set, checkpoint, tmp_path):
    with pytest.raises(ValueError, match="'tset'"):
        _evaluate(training_set, {"mine": checkpoint}, tmp_path, split="tset")


def test_examples_are_the_middle_windows_in_physical_units(training_set, checkpoint, tmp_path):
    path = write_examples(
        training_set, window=WINDOW, split="test", checkpoints={"mine": checkpoint}, out=tmp_path,
        num=2,
    )  # fmt: skip
    data = TrainingSet.open(training_set)
    with xr.open_dataset(path) as example:
        assert example["model"].values.tolist() == ["mine", *BASELINES]
        field = ("channel", "latitude", "longitude")
        assert example["inputs"].dims == (
            "example", "input_time_offset", "input_channel", *field[1:],
        )  # fmt: skip
        assert example["targets"].dims == ("example", "lead_time", *field)
        assert example["predictions"].dims == ("model", "example", "lead_time", *field)
        assert example["input_time_offset"].values.tolist() == [-2, -1, 0]
        # 44 windows, the first init time 2016-01-09T02: numbers 21 and 22 are the middle ones.
        expected = np.array(["2016-01-09T23", "2016-01-10T00"], "datetime64[ns]")
        np.testing.assert_array_equal(example["init_time"], expected)
        now = example["last_input"].isel(example=1)
        newest = example["inputs"].sel(input_time_offset=0).isel(example=1)
        np.testing.assert_array_equal(newest, now)
        row = int(np.flatnonzero(data.hours.astype("datetime64[h]") == expected[1])[0])
        truth = data.normalizer.denormalize(torch.from_numpy(np.asarray(data.fields[row])))
        np.testing.assert_allclose(now, truth, rtol=1e-6)
        assert 250 < now.sel(channel="t2m").mean() < 310
        persisted = example["predictions"].sel(model="persistence", lead_time=2).isel(example=1)
        np.testing.assert_array_equal(persisted, now)


def test_more_examples_than_windows_are_refused(training_set, checkpoint, tmp_path):
    for num in (0, TEST_HOURS):
        with pytest.raises(DataError, match=f"asked for {num} examples .* expected 1 to 44"):
            write_examples(
                training_set, window=WINDOW, split="test", checkpoints={}, out=tmp_path, num=num
            )


def test_wrong_settings_are_refused():
    box = {"south": 0, "north": 1, "west": 0, "east": 1}
    with pytest.raises(ValueError, match="region bay has south, north; expected south, north, w"):
        ScoringSettings(regions={"bay": {"south": 0, "north": 1}})
    with pytest.raises(ValueError, match="a region is named land"):
        ScoringSettings(regions={"land": box})
    with pytest.raises(ValueError, match="block_days is 0"):
        ScoringSettings(block_days=0)
    with pytest.raises(ValueError, match="split is 'tset'"):
        EvaluationSettings(split="tset")
    with pytest.raises(ValueError, match="num_analysis_samples is 3; expected at least 4"):
        EvaluationSettings(num_analysis_samples=3)
