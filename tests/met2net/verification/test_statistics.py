import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import Subset

from met2net.data.climatology import Climatology
from met2net.data.grid import Grid
from met2net.data.windows import WindowDataset, WindowSpec, find_windows
from met2net.forecasting.baseline_forecasts import baseline_forecasts
from met2net.verification.metrics import METRICS
from met2net.verification.score_stream import compute_statistics
from met2net.verification.scores import accumulate_sums
from met2net.verification.statistics import (
    STATISTICS,
    Statistics,
    reduce_over_ranks,
    windows_of_rank,
    zero_statistics,
)

PLAIN = np.ones(2)


def fields_of_noise(*, samples=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(samples, 2, 3, 2, 4, generator=generator) for _ in range(3))


def assert_close(a: Statistics, b: Statistics):
    for name in STATISTICS:
        # Sums of some hundred float64 numbers near 1, added in another order.
        np.testing.assert_allclose(getattr(a, name), getattr(b, name), rtol=1e-13, atol=1e-12)


@settings(max_examples=20, deadline=None)
@given(cut=st.integers(0, 6), other_cut=st.integers(0, 6))
def test_any_chunking_gives_the_same_sums(cut, other_cut):
    f, o, c = fields_of_noise()
    weights = np.array([0.4, 1.6])
    total = zero_statistics(num_leads=2, num_channels=3)
    for part in np.split(np.arange(6), sorted((cut, other_cut))):
        total = total + compute_statistics(
            f[part], o[part], climatology=c[part], latitude_weights=weights
        )
    assert_close(total, compute_statistics(f, o, climatology=c, latitude_weights=weights))


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(6)), cut=st.integers(1, 5))
def test_any_order_gives_the_same_sums_to_1e_12(order, cut):
    f, o, c = fields_of_noise()
    weights = np.array([0.4, 1.6])
    total = zero_statistics(num_leads=2, num_channels=3)
    for part in (order[:cut], order[cut:]):
        total = total + compute_statistics(
            f[part], o[part], climatology=c[part], latitude_weights=weights
        )
    whole = compute_statistics(f, o, climatology=c, latitude_weights=weights)
    np.testing.assert_allclose(total.stacked(), whole.stacked(), rtol=1e-12, atol=1e-12)


def test_pooling_is_the_sum_over_leads():
    f, o, c = fields_of_noise()
    pooled = compute_statistics(f, o, climatology=c, latitude_weights=PLAIN).pooled()
    as_one_lead = [x.flatten(0, 1).unsqueeze(1) for x in (f, o, c)]
    assert_close(
        pooled,
        compute_statistics(*as_one_lead[:2], climatology=as_one_lead[2], latitude_weights=PLAIN),
    )


GRID = Grid((60.0, 30.0), (0.0, 10.0, 20.0))
WINDOW = WindowSpec((-1, 0), (1, 2, 6))
RANKS = 3


def _totals(*, rank=0, num_ranks=1):
    rng = np.random.default_rng(0)
    fields = rng.normal(size=(40, 2, 2, 3)).astype(np.float32)
    climatology = Climatology(rng.normal(size=(1, 24, 2, 2, 3)).astype(np.float32))
    hours = np.arange(1000, 1040)
    found = find_windows(hours, spec=WINDOW, in_split=np.ones(40, bool))
    windows = WindowDataset(fields, hours=hours, windows=found, spec=WINDOW)
    own = windows_of_rank(len(windows), rank=rank, num_ranks=num_ranks)
    sums = accumulate_sums(
        baseline_forecasts(climatology, WINDOW), Subset(windows, own), window=WINDOW,
        climatology=climatology, grid=GRID, batch_size=5,
    )  # fmt: skip
    return sums.totals()["anomaly_persistence"]


def _score_share(rank, folder):
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=RANKS
    )
    merged = reduce_over_ranks(_totals(rank=rank, num_ranks=RANKS))
    np.save(f"{folder}/{rank}.npy", merged.stacked())
    dist.destroy_process_group()


def test_ranks_share_the_windows_without_padding():
    shares = [list(windows_of_rank(7, rank=rank, num_ranks=3)) for rank in range(3)]
    assert shares == [[0, 3, 6], [1, 4], [2, 5]]


@pytest.mark.slow
def test_three_ranks_score_as_one_to_1e_12(tmp_path):
    mp.spawn(_score_share, args=(str(tmp_path),), nprocs=RANKS)
    merged = [np.load(tmp_path / f"{rank}.npy") for rank in range(RANKS)]
    np.testing.assert_array_equal(merged[1], merged[0])
    np.testing.assert_array_equal(merged[2], merged[0])
    alone = _totals()
    np.testing.assert_allclose(merged[0], alone.stacked(), rtol=1e-12, atol=1e-12)
    for metric in METRICS.values():
        np.testing.assert_allclose(
            metric.compute(Statistics(*merged[0])), metric.compute(alone), rtol=1e-12, atol=1e-12
        )


def test_one_process_without_a_group_is_told_so():
    assert not torch.distributed.is_initialized()
    with pytest.raises(ValueError, match="no process group"):
        reduce_over_ranks(zero_statistics(num_leads=1, num_channels=1))
