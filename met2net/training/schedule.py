"""Learning rate schedules, as factors of the largest learning rate."""

import math
from collections.abc import Sequence

from met2net.training.settings import ScheduleName

__all__ = ["cycles_factor", "learning_rate_factor", "steps_per_epoch"]

_START = 1 / 25  # of a one-cycle schedule; its end is 1e-4 of that
_END = _START * 1e-4


def learning_rate_factor(
    step: int,
    *,
    schedule: ScheduleName,
    total_steps: int,
    warmup_fraction: float,
    final_factor: float = 0.0,
) -> float:
    """Give the factor of the learning rate at a step (0 is the first).

    `one_cycle`: cosine from 1/25 up to 1 during the warm-up, cosine down to 4e-6 after it.
    `cosine`: linear from near 0 up to 1 during the warm-up, cosine down to `final_factor` after it.
    `constant`: linear from near 0 up to 1 during the warm-up, 1 after it.
    Adam's own momentum stays as it is.
    Source: Smith & Topin 2019, arXiv:1708.07120; Loshchilov & Hutter 2017, arXiv:1608.03983.
    """
    warmup_steps = warmup_fraction * total_steps
    if step < warmup_steps:
        if schedule == "one_cycle":
            return _between(_START, 1.0, share=step / warmup_steps)
        return min(1.0, (step + 1) / warmup_steps)
    if schedule == "constant":
        return 1.0
    share = min(1.0, (step - warmup_steps) / max(1.0, total_steps - 1 - warmup_steps))
    return _between(1.0, _END if schedule == "one_cycle" else final_factor, share=share)


def cycles_factor(
    step: int,
    *,
    cycles: Sequence[int],
    schedule: ScheduleName,
    warmup_fraction: float,
    final_factor: float = 0.0,
) -> float:
    """Give the factor where schedules follow one another, one a stage of the training.

    Args:
        step: 0 is the first.
        cycles: number of steps of every schedule, in order; from the end of the last one on, the
            factor is that of its end.
        schedule: as in `learning_rate_factor`; the same in every stage, as are the others.
        warmup_fraction: as there.
        final_factor: as there.
    """
    start = 0
    for length in cycles[:-1]:
        if step < start + length:
            break
        start += length
    else:
        length = cycles[-1]
    return learning_rate_factor(
        step - start, schedule=schedule, total_steps=length, warmup_fraction=warmup_fraction,
        final_factor=final_factor,
    )  # fmt: skip


def steps_per_epoch(num_batches: int, *, accumulate: int) -> int:
    """Count optimizer steps; an epoch's last one may be of fewer batches."""
    return -(-num_batches // accumulate)


def _between(first: float, last: float, *, share: float) -> float:
    """Go from first to last along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
