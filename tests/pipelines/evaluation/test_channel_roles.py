"""Scores, examples, analyses, signature: where channels are only seen or only forecast."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr

from met2net.checkpoint import load_checkpoint
from met2net.data.channel_roles import forecast_variables
from met2net.data.normalization import Normalizer
from met2net.data.training_set import TrainingSet
from met2net.data.windows import find_windows
from met2net.forecast import Forecaster
from met2net.forecasting.network_forecast import network_forecast
from pipelines.errors import DataError
from pipelines.evaluation.analyze import analyze
from pipelines.evaluation.evaluate import evaluate, write_examples
from pipelines.evaluation.settings import ScoringSettings
from pipelines.figures.forecast import _start
from pipelines.registry.register import _signature
from pipelines.storms.follow import _forecast
from tests.pipelines.small_project import WINDOW, make_checkpoint, make_training_set

ROLES = replace(WINDOW, input_only=("u10",), output_only=("r850",))
ASKED = ["t2m", "r850", "r1000"]
SCORING = ScoringSettings(block_days=1, num_resamples=100, save_forecasts=True)


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def checkpoint(training_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    return make_checkpoint(path, training_set, window=ROLES)


@pytest.fixture(scope="module")
def scored(training_set: Path, checkpoint: Path, tmp_path_factory) -> Path:
    return evaluate(
        training_set, window=ROLES, split="test", checkpoints={"mine": checkpoint},
        out=tmp_path_factory.mktemp("run"), scoring=SCORING,
    )  # fmt: skip


def test_what_is_forecast_is_scored_as_the_forecaster_gives_it(training_set, checkpoint, scored):
    """From arrays in physical units, with no other code of ours than the forecaster's."""
    data = TrainingSet.open(training_set)
    windows = data.windows("test", WINDOW)
    batch = windows.batch(np.arange(len(windows)))
    inputs, truth = (
        data.normalizer.denormalize(batch[name].double()).numpy() for name in ("inputs", "targets")
    )
    kept = [i for i, label in enumerate(data.channels) if label != "r850"]
    predicted = Forecaster(load_checkpoint(checkpoint)).predict(inputs[:, :, kept])
    asked = [data.channels.index(label) for label in ASKED]
    expected = np.sqrt(((predicted - truth[:, :, asked]) ** 2).mean(axis=(0, 1, 3, 4)))
    with xr.open_dataset(scored) as scores:
        assert scores["channel"].values.tolist() == ASKED
        assert scores.attrs["input_only"] == "u10" and scores.attrs["output_only"] == "r850"
        rmse = scores["pooled"].sel(metric="rmse", weighting="plain")
        np.testing.assert_allclose(rmse.sel(model="mine"), expected, rtol=2e-4)
        # Nothing to persist of what is not seen.
        for name in ("persistence", "anomaly_persistence"):
            here, there = (rmse.sel(model=model) for model in (name, "climatology"))
            assert here.sel(channel="r850").item() == there.sel(channel="r850").item()
            assert (here != there).sel(channel=["t2m", "r1000"]).all()
        assert scores["normalized_rmse"].sel(model="mine").item() == pytest.approx(
            float(np.mean(expected / data.std[asked])), rel=2e-4
        )
    kept_forecasts = xr.open_zarr(scored.parent / "forecasts" / "mine.zarr", chunks=None)
    assert set(kept_forecasts.data_vars) == {"2m_temperature", "r850", "r1000"}


def test_a_champion_of_other_statistics_sees_no_more(training_set, checkpoint, tmp_path):
    """Its own mean stands for what it does not see, whatever the newer set's mean is."""
    data = TrainingSet.open(training_set)
    loaded = load_checkpoint(checkpoint)
    own = loaded.normalizer
    other = Normalizer(
        own.channels, tuple(m + 0.5 * s for m, s in zip(own.mean, own.std, strict=True)), own.std
    )
    path = make_checkpoint(
        tmp_path / "other.safetensors", training_set, window=ROLES, normalizer=other
    )
    scores = evaluate(
        training_set, window=ROLES, split="test", checkpoints={"champion": path},
        out=tmp_path / "run", scoring=SCORING,
    )  # fmt: skip
    windows = data.windows("test", WINDOW)
    batch = windows.batch(np.arange(len(windows)))
    inputs, truth = (
        data.normalizer.denormalize(batch[name].double()).numpy() for name in ("inputs", "targets")
    )
    kept = [i for i, label in enumerate(data.channels) if label != "r850"]
    asked = [data.channels.index(label) for label in ASKED]
    predicted = Forecaster(load_checkpoint(path)).predict(inputs[:, :, kept])
    expected = np.sqrt(((predicted - truth[:, :, asked]) ** 2).mean(axis=(0, 1, 3, 4)))
    with xr.open_dataset(scores) as found:
        rmse = found["pooled"].sel(model="champion", metric="rmse", weighting="plain")
        np.testing.assert_allclose(rmse, expected, rtol=2e-4)


def test_examples_hold_what_is_seen_and_what_is_forecast(training_set, checkpoint, tmp_path):
    path = write_examples(
        training_set, window=ROLES, split="test", checkpoints={"mine": checkpoint}, out=tmp_path
    )
    with xr.open_dataset(path) as example:
        assert example["channel"].values.tolist() == ASKED
        assert example["input_channel"].values.tolist() == ["t2m", "u10", "r1000"]
        last = example["last_input"].isel(example=0)
        assert np.isnan(last.sel(channel="r850")).all()
        newest = example["inputs"].isel(example=0, input_time_offset=-1)
        for label in ("t2m", "r1000"):
            np.testing.assert_array_equal(last.sel(channel=label), newest.sel(input_channel=label))
        made = Forecaster(load_checkpoint(checkpoint)).predict(example["inputs"].values)
        np.testing.assert_allclose(example["predictions"].sel(model="mine"), made, rtol=1e-4)


def test_an_analysis_has_no_distribution_of_what_is_not_seen(training_set, checkpoint, tmp_path):
    path = analyze(
        training_set, window=ROLES, split="test", checkpoints={"mine": checkpoint}, out=tmp_path,
        num_samples=8,
    )  # fmt: skip
    with xr.open_dataset(path) as analysis:
        assert analysis["channel"].values.tolist() == ["t2m", "u10", "r1000"]
        assert analysis["variable"].values.tolist() == ["t2m", "wind", "r"]


def test_the_mean_of_alignment_leaves_out_what_no_input_holds(training_set, tmp_path):
    window = replace(WINDOW, output_only=("u10",))  # a variable of its own
    path = make_checkpoint(tmp_path / "model.safetensors", training_set, window=window)
    found = analyze(
        training_set, window=window, split="test", checkpoints={"mine": path}, out=tmp_path,
        num_samples=8,
    )  # fmt: skip
    with xr.open_dataset(found) as analysis:
        first = analysis["cka_mine"].isel(layer_mine=0)
        assert np.isnan(first.sel(variable="wind")).all()
        expected = first.sel(variable="t2m", variable_2="r").item()
        assert analysis["cka_mean_mine"][0].item() == pytest.approx(expected)
        assert np.isfinite(analysis["cka_mean_mine"]).all()


def test_a_map_of_a_level_that_is_not_seen_has_no_start():
    """Another level of the same variable is among the inputs."""
    grid = {"latitude": [1.0, 0.0], "longitude": [0.0, 1.0]}
    time = np.datetime64("2020-01-01T00", "ns")
    humidity = xr.DataArray(
        np.ones((1, 1, 2, 2)), dims=("time", "level", *grid),
        coords={"time": [time], "level": [1000], **grid},
    )  # fmt: skip
    analysis = humidity.to_dataset(name="relative_humidity")
    for level, has_start in ((1000, True), (850, False)):
        field = xr.DataArray(np.ones((2, 2)), dims=tuple(grid), coords={**grid, "level": level})
        start = _start(analysis, "relative_humidity", field, time)
        assert (start is not None) == has_start


def test_the_tracker_gets_nothing_that_is_only_seen(training_set, checkpoint):
    data, loaded = TrainingSet.open(training_set), load_checkpoint(checkpoint)
    hidden = [data.channels.index("r850")]
    forecast = network_forecast(
        loaded.network, trained_with=loaded.normalizer, applied_to=data.normalizer, hidden=hidden
    )
    rows = find_windows(data.hours, spec=ROLES, in_split=data.in_split("test"))[:3]
    for window, found in ((ROLES, False), (replace(ROLES, input_only=None), True)):
        made = _forecast(data, forecast, rows=rows, window=window, batch_size=2, device="cpu")
        assert ("10m_u_component_of_wind" in made) == found


def test_a_group_without_anything_to_forecast_is_no_row_of_a_table():
    variables = {"t2m": ("t2m",), "wind": ("u10",), "r": ("r850", "r1000")}
    assert forecast_variables(ROLES, variables) == {"t2m": ("t2m",), "r": ("r850", "r1000")}
    assert forecast_variables(WINDOW, variables) == variables


def test_the_signature_names_as_many_channels_as_there_are(checkpoint):
    signature = _signature(load_checkpoint(checkpoint))
    assert signature.inputs.input_types() and signature.inputs.inputs[0].shape == (-1, 3, 3, 3, 4)
    assert signature.outputs.inputs[0].shape == (-1, -1, 3, 3, 4)


def test_other_roles_are_no_fit(training_set, checkpoint, tmp_path):
    with pytest.raises(DataError, match=r"found input-only channels \('u10',\); expected None"):
        evaluate(
            training_set, window=WINDOW, split="test", checkpoints={"mine": checkpoint},
            out=tmp_path,
        )  # fmt: skip


def test_fields_that_are_not_seen_leave_no_trace_in_any_window(training_set):
    data = TrainingSet.open(training_set)
    place = data.channels.index("r850")
    for memory_limit in (2**30, 0):
        windows = TrainingSet.open(training_set, memory_limit=memory_limit).windows("test", ROLES)
        batch = windows.batch(np.arange(4))
        assert (batch["inputs"][:, :, place] == 0).all()
        assert (batch["targets"][:, :, place] != 0).any()
    on_device = data.on_device("cpu").windows("test", ROLES).batch(np.arange(4))
    assert torch.equal(on_device["inputs"], batch["inputs"])
