from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from met2net.data.normalization import Normalizer
from met2net.data.renormalized_training_set import with_normalizer
from met2net.data.training_set import TrainingSet
from tests.pipelines.small_project import WINDOW, make_training_set


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> TrainingSet:
    return TrainingSet.open(make_training_set(tmp_path_factory.mktemp("set")))


def other(data: TrainingSet) -> Normalizer:
    old = data.normalizer
    return Normalizer(
        old.channels, tuple(m + 3.0 for m in old.mean), tuple(2.0 * s for s in old.std)
    )


def test_physical_values_are_the_same_in_any_normalization(data: TrainingSet):
    converted = with_normalizer(data, other(data))
    for name in ("inputs", "targets"):
        before, after = (
            d.windows("train", WINDOW).batch(np.arange(5))[name] for d in (data, converted)
        )
        expected = data.normalizer.denormalize(before)
        # float32 near 300 K
        np.testing.assert_allclose(
            converted.normalizer.denormalize(after), expected, rtol=1e-6, atol=1e-3
        )
        assert not np.allclose(before, after)


def test_converting_to_its_own_normalization_changes_nothing(data: TrainingSet):
    same = with_normalizer(data, data.normalizer)
    np.testing.assert_array_equal(same.fields[:10], data.fields[:10])
    np.testing.assert_array_equal(*(d.climatology.at(data.hours[:24]) for d in (same, data)))


def test_fields_read_from_disk_and_on_a_device_are_converted_too(data: TrainingSet, tmp_path: Path):
    mapped = with_normalizer(data, other(data))
    streamed = with_normalizer(TrainingSet.open(data.path, memory_limit=0), other(data))
    np.testing.assert_array_equal(mapped.fields[:30], streamed.fields[:30])
    np.testing.assert_array_equal(mapped.on_device("cpu").fields[:30], mapped.fields[:30])


def test_climatology_follows(data: TrainingSet):
    converted = with_normalizer(data, other(data))
    std, mean = (np.asarray(x)[:, None, None] for x in (data.normalizer.std, data.normalizer.mean))
    physical = data.climatology.at(data.hours[:24]) * std + mean
    expected = (physical - mean - 3.0) / (2.0 * std)
    np.testing.assert_allclose(converted.climatology.at(data.hours[:24]), expected, atol=1e-4)


def test_other_channels_and_fields_in_memory_are_refused(data: TrainingSet):
    few = Normalizer(("t2m",), (0.0,), (1.0,))
    with pytest.raises(ValueError, match=r"of channels t2m, u10, .* and of t2m; expected the same"):
        with_normalizer(data, few)
    with pytest.raises(ValueError, match="in memory already; expected those on disk"):
        with_normalizer(replace(data, fields=data.fields[:]), data.normalizer)
