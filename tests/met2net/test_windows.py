import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.windows import WindowDataset, WindowSpec, find_windows, hours_since_epoch

TWO_TO_ONE = WindowSpec.regular(num_inputs=2, num_targets=1)


def test_regular_offsets_end_at_the_init_time() -> None:
    spec = WindowSpec.regular(num_inputs=4, num_targets=2, step_hours=6)
    assert spec.input_hours == (-18, -12, -6, 0)
    assert spec.target_hours == (6, 12)
    assert (spec.num_inputs, spec.num_targets) == (4, 2)


def test_windows_by_hand() -> None:
    hours = np.arange(100, 105)
    windows = find_windows(hours, spec=TWO_TO_ONE, in_split=np.ones(5, bool))
    np.testing.assert_array_equal(windows, [[0, 1, 2], [1, 2, 3], [2, 3, 4]])


def test_windows_never_cross_a_missing_hour() -> None:
    hours = np.array([0, 1, 2, 4, 5, 6])
    windows = find_windows(hours, spec=TWO_TO_ONE, in_split=np.ones(6, bool))
    np.testing.assert_array_equal(windows, [[0, 1, 2], [3, 4, 5]])


def test_windows_never_leave_their_split() -> None:
    hours = np.arange(6)
    in_split = np.array([True, True, True, False, True, True])
    windows = find_windows(hours, spec=TWO_TO_ONE, in_split=in_split)
    np.testing.assert_array_equal(windows, [[0, 1, 2]])


def test_stride_counts_from_the_first_hour_of_the_split() -> None:
    spec = WindowSpec((0,), (1,), stride_hours=3)
    windows = find_windows(np.arange(10, 20), spec=spec, in_split=np.arange(10) >= 1)
    np.testing.assert_array_equal(windows[:, 0], [1, 4, 7])


def test_an_empty_split_has_no_windows() -> None:
    windows = find_windows(np.arange(5), spec=TWO_TO_ONE, in_split=np.zeros(5, bool))
    assert windows.shape == (0, 3)


def test_the_papers_clean_window_count() -> None:
    # 2010-2015 has 52,584 hours; 12 + 12 hourly frames leave 52,584 - 23 windows.
    windows = find_windows(
        np.arange(52_584),
        spec=WindowSpec.regular(num_inputs=12, num_targets=12),
        in_split=np.ones(52_584, bool),
    )
    assert len(windows) == 52_561


@settings(deadline=None)
@given(
    st.sets(st.integers(0, 60), min_size=1),
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 4),
    st.integers(1, 5),
)
def test_every_window_holds_exactly_its_hours(
    present: set[int], num_inputs: int, num_targets: int, step: int, stride: int
) -> None:
    hours = np.array(sorted(present))
    spec = WindowSpec.regular(
        num_inputs=num_inputs, num_targets=num_targets, step_hours=step, stride_hours=stride
    )
    offsets = np.array(spec.input_hours + spec.target_hours)
    windows = find_windows(hours, spec=spec, in_split=np.ones(len(hours), bool))
    found = {int(hours[row[num_inputs - 1]]) for row in windows}
    for row in windows:
        np.testing.assert_array_equal(hours[row] - hours[row[num_inputs - 1]], offsets)
    expected = {
        h
        for h in present
        if (h - hours[0]) % stride == 0 and all(h + int(o) in present for o in offsets)
    }
    assert found == expected


def test_samples_hold_the_fields_of_their_hours() -> None:
    hours = np.arange(1000, 1006)
    fields = np.arange(6, dtype=np.float32)[:, None, None, None] * np.ones((1, 2, 2, 3), np.float32)
    windows = find_windows(hours, spec=TWO_TO_ONE, in_split=np.ones(6, bool))
    sample = WindowDataset(fields, hours=hours, windows=windows, spec=TWO_TO_ONE)[2]
    assert sample["inputs"].shape == (2, 2, 2, 3)
    assert sample["inputs"][:, 0, 0, 0].tolist() == [2.0, 3.0]
    assert sample["targets"][:, 0, 0, 0].tolist() == [4.0]
    assert sample["init_time"] == torch.tensor(1003)


@pytest.mark.parametrize(
    ("inputs", "targets", "stride", "message"),
    [
        ((), (1,), 1, "input_hours is empty"),
        ((0,), (), 1, "target_hours is empty"),
        ((0, -1), (1,), 1, "is not increasing"),
        ((-2, -1), (1,), 1, "input_hours ends at -1; expected 0"),
        ((0,), (0, 1), 1, "target_hours starts at 0; expected > 0"),
        ((0,), (1,), 0, "stride_hours is 0; expected at least 1"),
    ],
)
def test_bad_offsets_are_refused(
    inputs: tuple[int, ...], targets: tuple[int, ...], stride: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        WindowSpec(inputs, targets, stride)


def test_unsorted_hours_are_refused() -> None:
    with pytest.raises(ValueError, match="not strictly increasing"):
        find_windows(np.array([1, 1, 2]), spec=TWO_TO_ONE, in_split=np.ones(3, bool))


def test_times_off_the_hour_are_refused() -> None:
    times = np.array(["1970-01-01T01:00", "1970-01-02T00:30"], dtype="datetime64[ns]")
    assert hours_since_epoch(times[:1]).tolist() == [1]
    with pytest.raises(ValueError, match="1970-01-02T00:30:00.000000000 does not lie on a full"):
        hours_since_epoch(times)
