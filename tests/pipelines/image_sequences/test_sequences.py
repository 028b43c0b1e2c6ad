import numpy as np
import pytest

from met2net.data.windows import WindowSpec, find_windows
from pipelines.errors import DataError
from pipelines.image_sequences.sequences import (
    MOST_FRAMES,
    sequence_counts,
    sequence_hours,
    sequence_splits,
)
from pipelines.period import Period
from pipelines.training_sets.splits import Splits


@pytest.mark.parametrize("num_frames", [7, 8, 20, MOST_FRAMES])
def test_a_window_as_long_as_a_sequence_exists_once_in_each(num_frames: int):
    hours = sequence_hours(5, num_frames).astype(np.int64)
    spec = WindowSpec.regular(num_inputs=3, num_targets=num_frames - 3)
    windows = find_windows(hours, spec=spec, in_split=np.ones(len(hours), bool))
    np.testing.assert_array_equal(windows, np.arange(5 * num_frames).reshape(5, -1))


def test_splits_hold_so_many_days_one_after_the_other():
    splits = sequence_splits(num_train=3, num_validation=2, num_test=4)
    assert sequence_counts(splits) == {"train": 3, "validation": 2, "test": 4}
    assert str(splits.train.first) == "2000-01-01T00" and str(splits.test.last) == "2000-01-09T23"


def test_without_validation_sequences_the_test_ones_validate():
    splits = sequence_splits(num_train=3, num_validation=0, num_test=4)
    assert splits.validates_on_test
    assert sequence_counts(splits) == {"train": 3, "test": 4}


def test_impossible_numbers_are_refused():
    with pytest.raises(ValueError, match="are 0, 1 and 1; expected at least 1, 0 and 1"):
        sequence_splits(num_train=0, num_validation=1, num_test=1)


def test_splits_that_are_no_sequences_are_refused():
    train, validation = Period("2000-01-01", "2000-01-02"), Period("2000-01-03", "2000-01-03")
    with pytest.raises(DataError, match="split test is .* whole days from 2000-01-04 on"):
        sequence_counts(Splits(train, validation, Period("2000-01-05", "2000-01-06")))
    with pytest.raises(DataError, match="split test"):
        sequence_counts(Splits(train, validation, Period("2000-01-04", "2000-01-04T12")))
