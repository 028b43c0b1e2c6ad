import numpy as np
import pytest
import torch
import xarray as xr

from met2net.analysis.cka import cka_matrix
from met2net.checkpoint import load_checkpoint
from met2net.data.training_set import TrainingSet
from pipelines.errors import DataError
from pipelines.evaluation.analyze import (
    analyze,
    cka_between_layers,
    cka_by_layer,
    hooked_layers,
    spread_batches,
)
from tests.pipelines.small_project import WINDOW, make_checkpoint, make_training_set

MODELS = ("met2net", "tau", "tau_per_variable")


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    return make_training_set(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def checkpoints(training_set, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    return {
        name: make_checkpoint(folder / f"{name}.safetensors", training_set, model=name)
        for name in MODELS
    }


def _analyze(training_set, checkpoints, out, **options):
    path = analyze(
        training_set, window=WINDOW, split="test", checkpoints=checkpoints, out=out, **options
    )
    with xr.open_dataset(path) as analysis:
        return analysis.load()


def test_every_model_gets_the_analyses_that_it_offers(training_set, checkpoints, tmp_path):
    analysis = _analyze(training_set, checkpoints, tmp_path, num_samples=8)
    assert set(analysis.data_vars) == {
        "cka_met2net", "cka_mean_met2net", "cka_layers_met2net",
        "cka_tau_per_variable", "cka_mean_tau_per_variable", "cka_layers_tau_per_variable",
        "cka_layers_tau",
        "attention_samples_met2net", "attention_head_met2net", "attention_met2net",
        "attention_mean_met2net", "attention_std_over_samples_met2net",
        "attention_std_over_heads_met2net", "attention_std_over_blocks_met2net",
        "attention_season_met2net", "attention_season_change_met2net", "season_count",
        "value_density", "change_density", "parameters", "multiply_adds",
    }  # fmt: skip
    assert analysis["cka_met2net"].dims == ("layer_met2net", "variable", "variable_2")
    assert analysis["attention_met2net"].dims == ("block", "variable", "variable_2")
    assert analysis["variable"].values.tolist() == ["t2m", "wind", "r"]
    layers = analysis["layer_met2net"].values.tolist()
    assert layers[0] == "encoder.0" and layers[-1].startswith("decoder.")
    assert analysis.attrs["num_samples"] == 8


def test_arrays_mean_what_their_names_say(training_set, checkpoints, tmp_path):
    analysis = _analyze(training_set, {"met2net": checkpoints["met2net"]}, tmp_path, num_samples=8)
    cka = analysis["cka_met2net"].values
    np.testing.assert_allclose(cka[:, range(3), range(3)], 1.0)
    np.testing.assert_allclose(
        analysis["cka_mean_met2net"], (cka[:, 0, 1] + cka[:, 0, 2] + cka[:, 1, 2]) / 3
    )
    np.testing.assert_allclose(analysis["attention_met2net"].sum("variable_2"), 1.0, rtol=1e-5)
    np.testing.assert_allclose(
        analysis["attention_mean_met2net"], analysis["attention_met2net"].mean("block")
    )
    network = load_checkpoint(checkpoints["met2net"]).network
    windows = TrainingSet.open(training_set).windows("test", WINDOW)
    # One batch of 8 windows spread over all 44.
    rows = np.linspace(0, 43, 8).round().astype(int)
    inputs = torch.stack([windows[int(row)]["inputs"] for row in rows])
    np.testing.assert_allclose(cka[0], cka_matrix(network.trace(inputs)["encoder.0"]), rtol=1e-6)


def test_the_same_call_gives_the_same_numbers(training_set, checkpoints, tmp_path):
    one = _analyze(training_set, checkpoints, tmp_path / "1", num_samples=20, seed=3)
    two = _analyze(training_set, checkpoints, tmp_path / "2", num_samples=20, seed=3)
    xr.testing.assert_identical(one, two)


def test_batches_are_spread_of_equal_size_and_without_repetition():
    batches = spread_batches(1000, num_samples=34, seed=0)
    assert [len(batch) for batch in batches] == [12, 11, 11]
    rows = sorted(row for batch in batches for row in batch)
    assert rows[0] == 0 and rows[-1] == 999
    assert set(np.diff(rows)) <= {30, 31}
    assert all(max(batch) - min(batch) > 500 for batch in batches)
    assert sorted(sum(spread_batches(5, num_samples=64, seed=0), [])) == [0, 1, 2, 3, 4]


def test_too_few_windows_are_refused():
    for num_windows, num_samples in ((3, 64), (100, 3)):
        with pytest.raises(DataError, match="expected at least 4"):
            spread_batches(num_windows, num_samples=num_samples, seed=0)


def test_cka_of_several_batches_uses_all_of_them():
    batches = list(torch.randn(2, 6, 2, 5, generator=torch.Generator().manual_seed(0)))
    by_layer = cka_by_layer(lambda x: {"first": x, "second": x[:, [0, 0]]}, [(x,) for x in batches])
    assert list(by_layer) == ["first", "second"]
    np.testing.assert_allclose(by_layer["second"], 1.0)
    assert by_layer["first"][0, 1] != pytest.approx(cka_matrix(batches[0])[0, 1])


def test_attention_of_every_sample_stands_beside_its_means(training_set, checkpoints, tmp_path):
    analysis = _analyze(training_set, {"met2net": checkpoints["met2net"]}, tmp_path, num_samples=20)
    every = analysis["attention_samples_met2net"]
    assert every.dims == ("sample", "block", "head", "variable", "variable_2")
    assert every.shape == (20, 2, 2, 3, 3)
    init_time = analysis["init_time"].values
    assert (np.diff(init_time) > np.timedelta64(0)).all()
    np.testing.assert_allclose(every.sum("variable_2"), 1, rtol=1e-6)
    np.testing.assert_allclose(
        analysis["attention_met2net"], every.mean(("sample", "head")), rtol=1e-6
    )
    network = load_checkpoint(checkpoints["met2net"]).network
    windows = TrainingSet.open(training_set).windows("test", WINDOW)
    row = windows.batch(np.array([0]))
    assert row["init_time"].numpy().astype("datetime64[h]")[0] == init_time[0]
    np.testing.assert_allclose(every[0], network.attention_maps(row["inputs"])[:, 0], rtol=1e-5)
    assert analysis["season_count"].values.tolist() == [20, 0, 0, 0]  # January


def test_cka_between_layers_of_several_batches_uses_all_of_them():
    batches = list(torch.randn(3, 6, 5, generator=torch.Generator().manual_seed(0)))
    names, cka = cka_between_layers(
        lambda x: {"a": x[:, :2], "b": x[:, 1:], "c": 2 * x}, [(x,) for x in batches]
    )
    assert names == ["a", "b", "c"]
    np.testing.assert_allclose(np.diagonal(cka), 1)
    assert cka[1, 2] > cka[0, 1]  # most of the features are the same


def test_a_network_without_a_trace_is_heard_through_hooks(training_set, checkpoints):
    network = load_checkpoint(checkpoints["tau"]).network
    assert not hasattr(network, "trace")
    windows = TrainingSet.open(training_set).windows("test", WINDOW)
    inputs = windows.batch(np.arange(0, 40, 5))["inputs"]
    names, cka = cka_between_layers(hooked_layers(network), [(inputs,)])
    assert names[0] == "encoder.0" and names[-1].startswith("decoder.")
    np.testing.assert_allclose(np.diagonal(cka), 1)


def test_models_with_fewer_blocks_are_filled_up(training_set, checkpoints, tmp_path):
    short = make_checkpoint(tmp_path / "short.safetensors", training_set, num_blocks=1)
    both = {"long": checkpoints["met2net"], "short": short}
    analysis = _analyze(training_set, both, tmp_path, num_samples=4)
    assert np.isfinite(analysis["attention_long"]).all()
    assert np.isnan(analysis["attention_short"].sel(block=1)).all()
    assert np.isfinite(analysis["attention_mean_short"]).all()


def test_other_groups_of_channels_are_refused(training_set, tmp_path):
    groups = {"t2m": ("t2m",), "rest": ("u10", "r850", "r1000")}
    path = make_checkpoint(tmp_path / "m.safetensors", training_set, variables=groups)
    with pytest.raises(DataError, match="found variables .*rest.* expected .*wind"):
        _analyze(training_set, {"m": path}, tmp_path)
