import numpy as np
import pytest

from met2net.data.training_statistics import (
    TrainingStatistics,
    difference_moments,
    hourly_moments,
    merge_statistics,
    pairs,
)


def statistics_of(
    fields: np.ndarray, *, times: np.ndarray, in_train: np.ndarray, cut: int
) -> TrainingStatistics:
    """Statistics of (time, channel, h, w), worked out `cut` hours at a time."""
    later, earlier = pairs(times, in_train)
    parts = [slice(i, i + cut) for i in range(0, len(fields), cut)]
    moments, differences = (
        [np.stack([f(c) for c in range(fields.shape[1])], axis=1) for f in functions]
        for functions in (
            [lambda c, p=p: hourly_moments(fields[p, c]) for p in parts],
            [
                lambda c, p=p: difference_moments(fields[later[p], c], fields[earlier[p], c])
                for p in parts
            ],
        )
    )
    return merge_statistics(
        np.concatenate(moments), np.concatenate(differences),
        times=times, in_train=in_train, channels=[f"c{i}" for i in range(fields.shape[1])],
    )  # fmt: skip


def hours(count: int) -> np.ndarray:
    return np.arange(count).astype("datetime64[h]")


@pytest.mark.parametrize("shape", [(3, 4), (100, 300)])  # 300 x 300: beyond NumPy's buffers
def test_no_cut_of_time_changes_a_bit(shape: tuple[int, int]):
    fields = np.random.default_rng(0).normal(280, 9, size=(40, 2, *shape)).astype(np.float32)
    results = [
        statistics_of(fields, times=hours(40), in_train=np.arange(40) < 30, cut=cut)
        for cut in (1, 7, 24, 40)
    ]
    for result in results[1:]:
        for name in ("mean", "std", "minimum", "maximum", "difference_std"):
            assert getattr(result, name).tobytes() == getattr(results[0], name).tobytes()


def test_statistics_by_numpy():
    fields = np.random.default_rng(1).normal(280, 9, size=(30, 2, 3, 4)).astype(np.float32)
    result = statistics_of(fields, times=hours(30), in_train=np.arange(30) < 20, cut=8)
    train = fields[:20].astype(np.float64)
    axes = (0, 2, 3)
    np.testing.assert_allclose(result.mean, train.mean(axes), rtol=1e-13)
    np.testing.assert_allclose(result.std, train.std(axes), rtol=1e-12)
    np.testing.assert_array_equal(result.minimum, train.min(axes))
    np.testing.assert_array_equal(result.maximum, train.max(axes))
    np.testing.assert_allclose(
        result.difference_std, (train[6:] - train[:-6]).std(axes), rtol=1e-12
    )


def test_pairs_of_differences_lie_exactly_six_hours_apart():
    # Training hours 0, 6, 7, 12, 14: pairs (0, 6) and (6, 12); values rise by 1 and by 3.
    times = np.array([0, 6, 7, 10, 12, 14]).astype("datetime64[h]")
    values = np.array([0.0, 1.0, 50.0, 90.0, 4.0, 60.0])
    in_train = np.arange(6) != 3
    assert [x.tolist() for x in pairs(times, in_train)] == [[1, 4], [0, 1]]
    fields = np.tile(values[:, None, None, None], (1, 1, 2, 2))
    result = statistics_of(fields, times=times, in_train=in_train, cut=6)
    assert result.difference_std.tolist() == [1.0]
    assert result.mean.tolist() == [23.0]


def test_a_missing_or_infinite_value_is_refused_in_any_split():
    for bad in (np.nan, np.inf):
        fields = np.random.default_rng(0).normal(size=(20, 1, 3, 4))
        fields[18, 0, 1, 1] = bad
        with pytest.raises(ValueError, match="channel c0 has no finite value at 1 points at .*18 "):
            statistics_of(fields, times=hours(20), in_train=np.arange(20) < 10, cut=20)


def test_constant_channel_is_refused():
    fields = np.full((20, 1, 3, 4), 0.1, dtype=np.float32)
    with pytest.raises(ValueError, match="channel c0 is 0.1 everywhere in the training split"):
        statistics_of(fields, times=hours(20), in_train=np.ones(20, bool), cut=5)


def test_training_split_shorter_than_a_difference_is_refused():
    fields = np.random.default_rng(0).normal(size=(20, 1, 3, 4))
    with pytest.raises(ValueError, match="has 6 hours, no two of them 6 hours apart"):
        statistics_of(fields, times=hours(20), in_train=np.arange(20) < 6, cut=20)
