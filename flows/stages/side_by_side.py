"""Trainings of one experiment beside each other: a small network does not fill two cores."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TypeVar

import torch

from flows.settings.config import Experiment
from pipelines.training.job import TrainerSettings
from pipelines.training.train import end_trainings

__all__ = ["share_cores", "side_by_side", "train_in_groups"]

R = TypeVar("R")


def train_in_groups(experiment: Experiment, one: Callable[[Experiment, str], R]) -> dict[str, R]:
    """Train an experiment's models, some beside each other.

    Args:
        experiment: `trainer.at_once` of its models train at once.
        one: trains a model, given the experiment with the model's share of the cores and its name.

    Returns:
        Model -> what `one` gave.
    """
    done: dict[str, R] = {}
    for trainer, group in share_cores(experiment.trainer, list(experiment.models)):
        sharing = replace(experiment, trainer=trainer)
        results = side_by_side([partial(one, sharing, name) for name in group])
        done |= zip(group, results, strict=True)
    return done


def share_cores(
    trainer: TrainerSettings, models: Sequence[str]
) -> list[tuple[TrainerSettings, list[str]]]:
    """Part models into groups that train beside each other, and share the cores out in each.

    At most `at_once` in a group; one after the other where PyTorch has a single thread to give, or
    where a training has several processes. Groups and shares follow from settings and machine,
    not from what is trained already, so that a training repeats itself.

    Returns:
        The settings of every group, with its size and its threads a training; its models.
    """
    threads = torch.get_num_threads()
    is_single = trainer.num_processes > 1 or (trainer.accelerator == "cpu" and threads == 1)
    size = 1 if is_single else trainer.at_once
    groups = [list(models[first : first + size]) for first in range(0, len(models), size)]
    return [(_with_share(trainer, len(group), threads=threads), group) for group in groups]


def _with_share(trainer: TrainerSettings, size: int, *, threads: int) -> TrainerSettings:
    """Give each of so many trainings its part of the threads, where nobody said how many."""
    if size == 1 or trainer.accelerator != "cpu" or trainer.num_threads is not None:
        return replace(trainer, at_once=size)
    return replace(trainer, at_once=size, num_threads=max(1, threads // size))


def side_by_side(calls: Sequence[Callable[[], R]]) -> list[R]:
    """Call functions that train at once; give what they give, in their order.

    Where one fails, the others go on to their end, so that nothing is lost; then its error is
    raised. Whatever else ends this (a signal) ends the training processes.

    Args:
        calls: each runs in a thread, within this flow run; a single one here.
    """
    if len(calls) == 1:
        return [calls[0]()]
    with ThreadPoolExecutor(len(calls)) as pool:
        futures = [pool.submit(copy_context().run, call) for call in calls]
        try:
            wait(futures)
        except BaseException:
            end_trainings()
            raise
    return [future.result() for future in futures]
