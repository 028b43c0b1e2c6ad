"""Learning rate schedules, as factors of the largest learning rate."""

import inspect
import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, Protocol, runtime_checkable

from met2net.models.build import build
from met2net.training.settings import OptimizationSettings, ScheduleName

__all__ = [
    "Schedule",
    "cycles_factor",
    "learning_rate_factor",
    "own_schedule",
    "schedule_of",
    "steps_per_epoch",
]

_START = 1 / 25  # of a one-cycle schedule; its end is 1e-4 of that
_END = _START * 1e-4


@runtime_checkable
class Schedule(Protocol):
    """A learning rate schedule: a function of the step alone, since a resumed training asks again.

    One of somebody's own is an object of a class that `met2net.register` allowed.
    """

    def __call__(self, step: int, *, total_steps: int) -> float:
        """Give the factor of the learning rate, 0 or more, at a step (0 is the first)."""


def schedule_of(settings: OptimizationSettings) -> Schedule:
    """Give the schedule that settings ask for."""
    if isinstance(settings.schedule, Mapping):
        return own_schedule(settings.schedule)
    return partial(
        learning_rate_factor,
        schedule=settings.schedule,
        warmup_fraction=settings.warmup_fraction,
        final_factor=settings.final_learning_rate / settings.learning_rate,
    )


def own_schedule(settings: Mapping[str, Any]) -> Schedule:
    """Build a schedule from outside this package.

    Raises:
        ValueError: if its class is not there, not allowed, refuses its arguments, or has objects
            that cannot be called with `(step, total_steps=...)`.
    """
    try:
        schedule: Schedule = build(settings)
    except (TypeError, ValueError) as error:
        raise ValueError(f"schedule: {error}") from error
    try:
        inspect.signature(schedule).bind(0, total_steps=1)
    except TypeError as error:
        raise ValueError(
            f"schedule is {type(schedule).__name__} ({error}); expected a class whose objects are "
            "called with (step, total_steps=...)"
        ) from error
    return schedule


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
    schedule: Schedule,
) -> float:
    """Give the factor where schedules follow one another, one a stage of the training.

    Args:
        step: 0 is the first.
        cycles: number of steps of every schedule, in order; from the end of the last one on, the
            factor is that of its end.
        schedule: the same in every stage.

    Raises:
        ValueError: if the factor is negative or no finite number.
    """
    start = 0
    for length in cycles[:-1]:
        if step < start + length:
            break
        start += length
    else:
        length = cycles[-1]
    factor = float(schedule(step - start, total_steps=length))
    if not 0 <= factor < math.inf:
        raise ValueError(
            f"schedule gives {factor} at step {step - start} of {length}; expected a factor of the "
            "learning rate, 0 or more"
        )
    return factor


def steps_per_epoch(num_batches: int, *, accumulate: int) -> int:
    """Count optimizer steps; an epoch's last one may be of fewer batches."""
    return -(-num_batches // accumulate)


def _between(first: float, last: float, *, share: float) -> float:
    """Go from first to last along half a cosine."""
    return last + (first - last) * (1 + math.cos(math.pi * share)) / 2
