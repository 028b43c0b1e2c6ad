import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.data.windows import WindowDataset, WindowSpec, find_windows, hours_since_epoch

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


def hours_of(first_year: int, last_year: int) -> np.ndarray:
    first, end = (np.datetime64(f"{y}-01-01T00", "h") for y in (first_year, last_year + 1))
    return np.arange(first, end).astype(np.int64)


TWELVE = {"num_inputs": 12, "num_targets": 12}
PAPER_LAST = {"drop_last_hours": 1, "drop_last_windows": 1}
STRIDED_TWICE = WindowSpec((-102, -66, -30, 0), (6, 42, 78, 114), 6, **PAPER_LAST)


@pytest.mark.parametrize(
    ("years", "spec", "count"),
    [
        ((2017, 2021), WindowSpec.regular(**TWELVE), 43_801),
        ((2023, 2023), WindowSpec.regular(**TWELVE), 8_737),
        ((2010, 2015), WindowSpec.regular(**TWELVE), 52_561),
        ((2017, 2018), WindowSpec.regular(**TWELVE), 17_497),
        # As published (Table 2 of the paper, and the released ERA5 reader):
        ((2010, 2015), WindowSpec.regular(**TWELVE, **PAPER_LAST), 52_559),
        ((2017, 2018), WindowSpec.regular(**TWELVE, **PAPER_LAST), 17_495),
        ((2017, 2021), WindowSpec.regular(**TWELVE, length_stride=6), 7_301),
        ((2023, 2023), WindowSpec.regular(**TWELVE, length_stride=12), 729),
        ((1979, 2015), STRIDED_TWICE, 54_019),
        ((2017, 2018), STRIDED_TWICE, 2_883),
    ],
)
def test_the_papers_window_counts(years: tuple[int, int], spec: WindowSpec, count: int) -> None:
    hours = hours_of(*years)
    assert len(find_windows(hours, spec=spec, in_split=np.ones(len(hours), bool))) == count


def test_the_released_era5_reader_strides_differently_in_training() -> None:
    spec = WindowSpec.regular(**TWELVE, length_stride=[6, 12])
    assert spec.length_stride == (6, 12)
    assert spec.of_split("train").length_stride == 6
    assert spec.of_split("validation").length_stride == spec.of_split("test").length_stride == 12
    one = WindowSpec.regular(**TWELVE, length_stride=6)
    assert one.of_split("test") == one
    with pytest.raises(ValueError, match=r"length_stride is \(6, 12\); expected that of one split"):
        find_windows(np.arange(99), spec=spec, in_split=np.ones(99, bool))


def test_listed_offsets_are_as_many_as_the_frames() -> None:
    listed = {"num_inputs": 2, "num_targets": 1, "input_hours": [-5, 0], "target_hours": [7]}
    spec = WindowSpec.listed(**listed, stride_hours=6, drop_last_hours=1)
    assert spec == WindowSpec((-5, 0), (7,), 6, 1)
    with pytest.raises(ValueError, match="input_hours has 2 offsets; expected 3"):
        WindowSpec.listed(**listed | {"num_inputs": 3})


@pytest.mark.parametrize("strides", [0, (6, 0), [6], [6, 12, 1]])
def test_impossible_length_strides_are_refused(strides: object) -> None:
    with pytest.raises(ValueError, match="length_stride is .*; expected"):
        WindowSpec.regular(**TWELVE, length_stride=strides)


def test_a_length_stride_keeps_the_first_windows_and_not_every_nth() -> None:
    hours = hours_of(2023, 2023)
    spec = WindowSpec.regular(**TWELVE, length_stride=12)
    windows = find_windows(hours, spec=spec, in_split=np.ones(len(hours), bool))
    np.testing.assert_array_equal(windows[:, 0], np.arange(729))
    last_init = hours[windows[-1, 11]].astype("datetime64[h]")
    assert last_init == np.datetime64("2023-01-31T19")  # January, not the year


def brute_force(present: list[int], spec: WindowSpec, split: set[int]) -> list[list[int]]:
    """Hours of every window, by trying all."""
    if not split:
        return []
    usable = {h for h in split if h <= max(split) - spec.drop_last_hours}
    found = []
    for init in sorted(usable):
        frames = [init + offset for offset in spec.input_hours + spec.target_hours]
        on_stride = (init - min(split)) % spec.stride_hours == 0
        if on_stride and all(h in usable and h in present for h in frames):
            found.append(frames)
    if spec.drop_last_windows:
        found = found[: -spec.drop_last_windows]
    count = 0
    while count * spec.length_stride < len(found):
        count += 1
    return found[:count]


offsets = st.tuples(
    st.sets(st.integers(-12, -1), max_size=3).map(lambda past: (*sorted(past), 0)),
    st.sets(st.integers(1, 12), min_size=1, max_size=3).map(lambda future: tuple(sorted(future))),
)
choices = st.fixed_dictionaries(
    {
        "stride_hours": st.integers(1, 7),
        "drop_last_hours": st.integers(0, 3),
        "drop_last_windows": st.integers(0, 3),
        "length_stride": st.integers(1, 4),
    }
)


@settings(deadline=None, max_examples=300)
@given(
    present=st.sets(st.integers(0, 80), min_size=1),
    everything=st.booleans(),
    offsets=offsets,
    choices=choices,
    data=st.data(),
)
def test_windows_are_those_of_brute_force(
    present: set[int],
    everything: bool,
    offsets: tuple[tuple[int, ...], tuple[int, ...]],
    choices: dict[str, int],
    data: st.DataObject,
) -> None:
    """Any length, offsets, stride, gaps and splits."""
    spec = WindowSpec(*offsets, **choices)
    hours = np.arange(max(present) + 1) if everything else np.array(sorted(present))
    ends = st.integers(0, 80)
    if data.draw(st.booleans(), label="a split in one piece"):
        first, last = data.draw(ends), data.draw(ends)
        in_split = (hours >= first) & (hours <= last)
    else:
        in_split = np.isin(hours, list(data.draw(st.sets(st.integers(0, 80)), label="split")))
    windows = find_windows(hours, spec=spec, in_split=in_split)
    expected = brute_force(hours.tolist(), spec, set(hours[in_split].tolist()))
    assert hours[windows].tolist() == expected


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"drop_last_hours": -1}, "drop_last_hours is -1; expected at least 0"),
        ({"drop_last_windows": -1}, "drop_last_windows is -1; expected at least 0"),
        ({"length_stride": 0}, "length_stride is 0; expected at least 1"),
    ],
)
def test_bad_habits_are_refused(changes: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        WindowSpec((0,), (1,), **changes)


def test_the_span_counts_both_ends() -> None:
    assert WindowSpec((-3, 0), (1, 4)).span_hours == 8
