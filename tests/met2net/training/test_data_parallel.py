"""Several devices, or several batches a step, train as one device with the same windows."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.met2net.training.data_parallel_run import (
    WINDOWS_A_STEP,
    freeze_statistics,
    make_module,
    run,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated"),
]


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """Sizes here are so small that threads only wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


# Sums in another order, in float64, through 20 steps of Adam.
TOLERANCE = {"rtol": 1e-9, "atol": 1e-12}

Result = dict[str, torch.Tensor]


def assert_equal(found: Result, expected: Result, *, rtol: float, atol: float) -> None:
    assert set(found) == set(expected)
    for name, tensor in expected.items():
        torch.testing.assert_close(found[name], tensor, rtol=rtol, atol=atol, msg=name)


@pytest.fixture(scope="module")
def one_process() -> Result:
    module = make_module(batch_size=WINDOWS_A_STEP)
    freeze_statistics(module)
    return run(module)


@pytest.fixture(scope="module")
def two_processes(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Result]]:
    folder = tmp_path_factory.mktemp("processes")
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2",
         "--rdzv-backend=c10d", "--rdzv-endpoint=localhost:0", "--local-addr=localhost",
         "-m", "tests.met2net.training.data_parallel_run", str(folder)],
        check=True, cwd=Path(__file__).parents[3], timeout=240,
    )  # fmt: skip
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start of training")
def test_two_processes_and_one_give_the_same_weights_and_metrics(
    one_process: Result, two_processes: list[dict[str, Result]]
) -> None:
    # Weights, momentum copies, their average, training losses (means over samples) and
    # validation scores (4 windows on one device, 3 on the other; none counts twice).
    assert {"metric train_loss", "metric val_mse"} <= set(one_process)
    assert_equal(two_processes[0]["frozen"], one_process, **TOLERANCE)


def test_devices_agree_bit_for_bit(two_processes: list[dict[str, Result]]) -> None:
    for name in ("frozen", "free"):  # free: each device has batch statistics of its own
        assert_equal(two_processes[0][name], two_processes[1][name], rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:Found .* in eval mode at the start of training")
@pytest.mark.parametrize("accumulate_batches", [2, 8])
def test_accumulated_batches_and_one_large_batch_give_the_same_weights_and_metrics(
    one_process: Result, accumulate_batches: int
) -> None:
    module = make_module(
        batch_size=WINDOWS_A_STEP // accumulate_batches, accumulate_batches=accumulate_batches
    )
    freeze_statistics(module)
    assert_equal(run(module), one_process, **TOLERANCE)
