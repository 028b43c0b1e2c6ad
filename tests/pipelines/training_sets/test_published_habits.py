"""What protocol `paper` changes of scores and splits, on weather."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

from met2net.checkpoint import load_checkpoint
from met2net.data.training_set import TrainingSet
from pipelines.errors import DataError
from pipelines.evaluation.batch_rmse import rmse_of_batches
from pipelines.evaluation.evaluate import evaluate, write_examples
from pipelines.evaluation.protocol import Protocol
from pipelines.evaluation.split_statistics import split_normalizer
from pipelines.period import Period
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from pipelines.training_sets.windows import load_fitting
from tests.pipelines.small_project import (
    VARIABLES,
    WINDOW,
    make_archive,
    make_checkpoint,
    make_training_set,
)

PAPER = Protocol("paper", rmse_batch_size=16, own_statistics=True)


@pytest.fixture(scope="module")
def training_set(tmp_path_factory):
    return make_training_set(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def checkpoint(training_set, tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("models") / "m.safetensors", training_set)


def _physical(data, split):
    fields = torch.as_tensor(np.asarray(data.fields[np.flatnonzero(data.in_split(split))]))
    return data.normalizer.denormalize(fields.double()).numpy()


def test_a_split_has_statistics_of_its_own(training_set):
    data = TrainingSet.open(training_set)
    own = split_normalizer(data, "test")
    fields = _physical(data, "test")
    np.testing.assert_allclose(own.mean, fields.mean(axis=(0, 2, 3)), rtol=1e-6)
    np.testing.assert_allclose(own.std, fields.std(axis=(0, 2, 3)), rtol=1e-6)
    train = split_normalizer(data, "train")
    np.testing.assert_allclose(train.mean, data.normalizer.mean, rtol=1e-6)
    extent = split_normalizer(
        replace(data, attrs=data.attrs | {"normalization": "min_max"}), "test"
    )
    np.testing.assert_allclose(extent.mean, fields.min(axis=(0, 2, 3)), rtol=1e-5)


def test_the_network_works_in_the_statistics_of_the_scored_split(
    training_set, checkpoint, tmp_path
):
    write_examples(
        training_set, window=WINDOW, split="test", checkpoints={"net": checkpoint}, out=tmp_path,
        num=3, protocol=PAPER,
    )  # fmt: skip
    own = split_normalizer(TrainingSet.open(training_set), "test")
    network = load_checkpoint(checkpoint).network
    with xr.open_dataset(tmp_path / "example.nc", decode_timedelta=False) as examples:
        inputs = own.normalize(torch.from_numpy(examples["inputs"].values).double()).float()
        with torch.inference_mode():
            expected = own.denormalize(network(inputs).double()).numpy()
        found = examples["predictions"].sel(model="net").values
    scale = np.array(own.std)[:, None, None]
    np.testing.assert_allclose(found / scale, expected / scale, atol=1e-3)


def test_rmse_of_batches_is_the_mean_of_their_rmse(training_set, checkpoint, tmp_path):
    path = evaluate(
        training_set, window=WINDOW, split="test", checkpoints={"net": checkpoint}, out=tmp_path,
        protocol=PAPER,
    )  # fmt: skip
    data = TrainingSet.open(training_set)
    windows = data.windows("test", WINDOW)
    batch = windows.batch(np.arange(len(windows)))
    persistence = batch["inputs"][:, -1:].expand_as(batch["targets"]).double()
    error = (persistence - batch["targets"]).square().numpy() * np.square(data.normalizer.std)[
        :, None, None
    ]
    starts = range(0, len(windows), 16)
    places = {"t2m": [0], "wind": [1], "r": [2, 3]}
    with xr.open_dataset(path, decode_timedelta=False) as scores:
        assert scores.attrs["protocol"] == "paper"
        found = scores["rmse_of_batches"].sel(model="persistence")
        for name, columns in places.items():
            roots = [np.sqrt(error[s : s + 16, :, columns].mean()) for s in starts]
            assert found.sel(variable=name).item() == pytest.approx(np.mean(roots), rel=1e-4)


def test_batches_by_hand():
    """Three windows, one channel of std 2: errors 0, 4 | 9; RMSE 2 sqrt(2) and 6."""
    sums = np.zeros((3, 11, 2, 1))
    sums[:, 3, 1, 0], sums[:, 0, 1, 0] = (0, 4, 9), 1
    found = rmse_of_batches(
        lambda model, lead: iter([(np.arange(3), sums)]),
        models=["a"], num_leads=1, variables={"v": ("v",)}, std=np.array([2.0]), batch_size=2,
    )  # fmt: skip
    expected = (2 * np.sqrt(2) + 6) / 2
    assert found["rmse_of_batches"].item() == pytest.approx(expected)


def test_a_clean_run_has_none_of_it(training_set, checkpoint, tmp_path):
    path = evaluate(
        training_set, window=WINDOW, split="test", checkpoints={"net": checkpoint}, out=tmp_path
    )
    with xr.open_dataset(path, decode_timedelta=False) as scores:
        assert scores.attrs["protocol"] == "clean"
        assert "rmse_of_batches" not in scores and "benchmark" not in scores


def test_a_network_of_one_protocol_is_not_scored_by_another(training_set, checkpoint):
    data = TrainingSet.open(training_set)
    window = replace(WINDOW, drop_last_hours=1)
    with pytest.raises(DataError, match="found window.drop_last_hours 0; expected 1"):
        load_fitting({"net": checkpoint}, data=data, window=window, device="cpu")


def test_validation_may_be_exactly_the_test_split(tmp_path):
    train, test = Period("2016-01-01", "2016-01-06"), Period("2016-01-09", "2016-01-10")
    settings = TrainingSetSettings(VARIABLES, Splits(train, test, test))
    data = TrainingSet.open(
        build_training_set(make_archive(tmp_path), settings, folder=tmp_path / "sets")
    )
    np.testing.assert_array_equal(data.in_split("validation"), data.in_split("test"))
    assert data.in_split("test").sum() == 48 and data.in_split("train").sum() == 144
    assert len(data.windows("validation", WINDOW)) == 44
    with pytest.raises(ValueError, match="validation .* and test .* overlap"):
        Splits(train, Period("2016-01-09", "2016-01-09"), test)
    with pytest.raises(ValueError, match="train .* and validation .* overlap"):
        Splits(train, train, train)
