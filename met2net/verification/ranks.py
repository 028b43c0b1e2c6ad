"""Statistics of several processes, merged: each scores its own windows, none twice."""

import numpy as np
import torch
import torch.distributed as dist

from met2net.verification.statistics import Statistics

__all__ = ["reduce_over_ranks", "windows_of_rank"]


def windows_of_rank(num_windows: int, *, rank: int, num_ranks: int) -> range:
    """Give the windows that one of several processes scores; together they are all, each once.

    A sampler for training repeats windows so that all ranks have as many; scores must not.
    """
    return range(rank, num_windows, num_ranks)


def reduce_over_ranks(statistics: Statistics) -> Statistics:
    """Add up the statistics of all ranks; every rank gets the same sums.

    Raises:
        ValueError: if no process group is initialized.
    """
    if not dist.is_initialized():
        raise ValueError("no process group is initialized; expected one over all ranks")
    # NCCL moves tensors of a GPU only.
    device = "cuda" if dist.get_backend() == "nccl" else "cpu"
    own = torch.from_numpy(statistics.stacked()).to(device)
    parts = [torch.empty_like(own) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, own)
    # Added in the order of ranks: the same bits on every rank and in every run.
    return Statistics.of(np.sum([part.cpu().numpy() for part in parts], axis=0))
