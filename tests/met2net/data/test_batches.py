import threading
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.data.batches import BatchOrder, WindowBatches
from met2net.data.fields import Allocate
from met2net.data.windows import WindowDataset, WindowSpec, find_windows

SPEC = WindowSpec.regular(num_inputs=3, num_targets=2)
HOURS = np.arange(100, 160)
NUM = 56  # windows of five frames


@pytest.fixture(scope="module")
def windows() -> WindowDataset:
    fields = np.random.default_rng(0).normal(size=(60, 2, 3, 4)).astype(np.float32)
    rows = find_windows(HOURS, spec=SPEC, in_split=np.ones(60, bool))
    return WindowDataset(fields, hours=HOURS, windows=rows, spec=SPEC)


def order(**changes: object) -> BatchOrder:
    return BatchOrder(**{"num_windows": NUM, "batch_size": 8, **changes})


def init_times(batches: WindowBatches) -> list[list[int]]:
    return [batch["init_time"].tolist() for batch in batches]


def test_a_batch_holds_the_samples_stacked(windows: WindowDataset):
    batch = windows.batch(np.array([5, 0, 55]))
    for place, index in enumerate((5, 0, 55)):
        for name, tensor in windows[index].items():
            torch.testing.assert_close(batch[name][place], tensor, rtol=0, atol=0)
    assert batch["inputs"].is_contiguous() and batch["targets"].is_contiguous()


def test_every_window_comes_once_and_in_order_without_shuffling(windows: WindowDataset):
    batches = init_times(WindowBatches(windows, order(batch_size=10)))
    assert [len(b) for b in batches] == [10] * 5 + [6]
    assert [t for b in batches for t in b] == list(range(102, 158))


def test_shuffling_mixes_all_windows_otherwise_in_every_epoch_and_for_every_seed(
    windows: WindowDataset,
):
    batches = WindowBatches(windows, order(shuffle=True, seed=3))
    epochs = []
    for epoch in (0, 1, 0):
        batches.set_epoch(epoch)
        epochs.append(init_times(batches))
    assert epochs[0] == epochs[2] != epochs[1]
    assert sorted(t for b in epochs[1] for t in b) == list(range(102, 158))
    assert init_times(WindowBatches(windows, order(shuffle=True, seed=4))) != epochs[0]
    # Seed 3 in epoch 1 is not seed 4 in epoch 0, as where the two are added up.
    assert init_times(WindowBatches(windows, order(shuffle=True, seed=4))) != epochs[1]


def test_a_plain_loop_gets_a_new_order_each_epoch(windows: WindowDataset):
    batches, told = (WindowBatches(windows, order(shuffle=True)) for _ in range(2))
    expected = []
    for epoch in range(3):
        told.set_epoch(epoch)
        expected.append(init_times(told))
    assert [init_times(batches) for _ in range(3)] == expected
    next(iter(batches))  # an iteration that is left does not count as an epoch
    batches.set_epoch(2)
    assert init_times(batches) == expected[2]


@pytest.mark.parametrize("prefetch", [0, 1, 4, 50])
def test_reading_ahead_changes_nothing(windows: WindowDataset, prefetch: int):
    shuffled = order(shuffle=True, drop_last=True)
    read, plain = (WindowBatches(windows, shuffled, prefetch=n) for n in (prefetch, 0))
    for ours, theirs in zip(read, plain, strict=True):
        for name, tensor in theirs.items():
            assert torch.equal(ours[name], tensor)


@settings(deadline=None)
@given(st.integers(0, 7), st.integers(0, 3), st.booleans())
def test_a_stopped_epoch_goes_on_where_it_was(stop: int, prefetch: int, shuffle: bool):
    fields = np.arange(60, dtype=np.float32)[:, None, None, None] * np.ones(
        (1, 1, 2, 2), np.float32
    )
    rows = find_windows(HOURS, spec=SPEC, in_split=np.ones(60, bool))
    windows = WindowDataset(fields, hours=HOURS, windows=rows, spec=SPEC)

    def fresh() -> WindowBatches:
        return WindowBatches(windows, order(shuffle=shuffle), prefetch=prefetch)

    undisturbed = fresh()
    undisturbed.set_epoch(5)
    expected = init_times(undisturbed)
    stopped = fresh()
    stopped.set_epoch(5)
    found = [batch["init_time"].tolist() for _, batch in zip(range(stop), stopped, strict=False)]
    state = stopped.state_dict()
    assert state == {"epoch": 5, "batch": stop}
    resumed = fresh()
    resumed.load_state_dict(state)
    resumed.set_epoch(5)  # as Lightning says again
    assert found + init_times(resumed) == expected
    assert init_times(resumed) == expected  # the next time from the start


def test_batches_that_are_kept_stay_as_they_are(windows: WindowDataset):
    """Memory is used again, but never while somebody holds it."""
    batches = WindowBatches(windows, order(shuffle=True), prefetch=2)
    for epoch in range(3):
        batches.set_epoch(epoch)
        kept = list(batches)
        indices = BatchOrder(NUM, 8, shuffle=True).windows(epoch).reshape(7, 8)
        for batch, rows in zip(kept, indices, strict=True):
            for name, tensor in windows.batch(rows).items():
                assert torch.equal(batch[name], tensor)


def test_another_epoch_starts_at_its_first_batch(windows: WindowDataset):
    batches = WindowBatches(windows, order(shuffle=True))
    batches.load_state_dict({"epoch": 2, "batch": 7})
    batches.set_epoch(3)
    assert batches.state_dict() == {"epoch": 3, "batch": 0}
    assert len(init_times(batches)) == len(batches) == 7


def test_threads_end_with_an_iteration_that_is_left(windows: WindowDataset):
    iterator = iter(WindowBatches(windows, order(), prefetch=3))
    next(iterator)
    iterator.close()
    assert not [t for t in threading.enumerate() if t.name.startswith("windows")]


def test_an_error_while_reading_ahead_is_raised_at_its_batch(
    windows: WindowDataset, monkeypatch: pytest.MonkeyPatch
):
    read = windows.batch

    def fail(indices: np.ndarray, *, allocate: Allocate) -> object:
        if 16 in indices:
            raise OSError("no longer there")
        return read(indices, allocate=allocate)

    monkeypatch.setattr(windows, "batch", fail)
    iterator = iter(WindowBatches(windows, order(), prefetch=3))
    assert [len(next(iterator)["init_time"]) for _ in range(2)] == [8, 8]
    with pytest.raises(OSError, match="no longer there"):
        next(iterator)


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 5), st.integers(0, 3))
def test_without_shuffling_devices_share_every_window_exactly_once(
    num: int, size: int, devices: int, epoch: int
):
    if num < devices:
        return
    orders = [BatchOrder(num, size, rank=r, world_size=devices) for r in range(devices)]
    assert Counter(w for o in orders for w in o.windows(epoch)) == Counter(range(num))
    for each in orders:
        assert each.num_batches == -(-len(each.windows(epoch)) // size)


@given(st.integers(1, 200), st.integers(1, 20), st.integers(1, 5), st.booleans(), st.integers(0, 3))
def test_in_training_devices_take_equal_shares_and_no_window_twice(
    num: int, size: int, devices: int, drop_last: bool, epoch: int
):
    if num < devices * (size if drop_last else 1):
        return
    orders = [
        BatchOrder(num, size, shuffle=True, drop_last=drop_last, rank=r, world_size=devices)
        for r in range(devices)
    ]
    shares = [each.windows(epoch) for each in orders]
    assert {len(share) for share in shares} == {num // devices}
    assert {each.num_batches for each in orders} == {
        num // devices // size if drop_last else -(-(num // devices) // size)
    }
    counts = Counter(w for share in shares for w in share)
    assert max(counts.values()) == 1
    assert len(counts) == num - num % devices


def test_devices_see_together_what_one_device_sees():
    one = BatchOrder(56, 8, shuffle=True, seed=1).windows(2)
    two = [BatchOrder(56, 4, shuffle=True, seed=1, rank=r, world_size=2).windows(2) for r in (0, 1)]
    # The two batches of 4 of a step are the batch of 8 of a single device.
    both = np.stack(two, axis=1).reshape(-1)
    assert {*both[:8]} == {*one[:8]} and {*both[-8:]} == {*one[-8:]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"seed": -1}, "seed is -1; expected at least 0"),
        ({"rank": 2, "world_size": 2}, "rank is 2; expected 0 to 1"),
        ({"num_windows": 1, "world_size": 2}, "1 windows for 2 devices; expected at least 2"),
        ({"num_windows": 15, "world_size": 2, "drop_last": True}, "expected at least 16"),
    ],
)
def test_impossible_orders_are_refused(changes: dict[str, int], message: str):
    with pytest.raises(ValueError, match=message):
        order(**changes)


def test_a_loader_that_cannot_be_is_refused(windows: WindowDataset):
    with pytest.raises(ValueError, match="order of 55 windows; expected 56"):
        WindowBatches(windows, order(num_windows=55))
    with pytest.raises(ValueError, match="prefetch is -1; expected at least 0"):
        WindowBatches(windows, order(), prefetch=-1)
    with pytest.raises(ValueError, match="state is at batch 8; expected 0 to 7"):
        WindowBatches(windows, order()).load_state_dict({"epoch": 0, "batch": 8})


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_page_locked_batches_are_the_same(windows: WindowDataset):
    pinned = WindowBatches(windows, order(), pin_memory=True)
    for ours, theirs in zip(pinned, WindowBatches(windows, order()), strict=True):
        assert ours["inputs"].is_pinned() and ours["targets"].is_pinned()
        for name, tensor in theirs.items():
            assert torch.equal(ours[name].cuda().cpu(), tensor)
