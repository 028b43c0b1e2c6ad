"""Trainings of one experiment beside each other: a small network does not fill two cores."""

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from typing import TypeVar

import torch

from pipelines.training.job import TrainerSettings
from pipelines.training.train import end_trainings

__all__ = ["share_cores", "side_by_side"]

R = TypeVar("R")


def share_cores(trainer: TrainerSettings, *, num_models: int) -> TrainerSettings:
    """Say how many of an experiment's trainings run at once, and share the cores out.

    At most `at_once`; one after the other where PyTorch has a single thread to give, or where a
    training has several processes. The shares follow from settings and machine alone, not from
    what is trained already, so that a training repeats itself.
    """
    threads = torch.get_num_threads()
    is_single = trainer.num_processes > 1 or (trainer.accelerator == "cpu" and threads == 1)
    at_once = 1 if is_single else min(trainer.at_once, num_models)
    if at_once == 1 or trainer.accelerator != "cpu" or trainer.num_threads is not None:
        return replace(trainer, at_once=at_once)
    return replace(trainer, at_once=at_once, num_threads=max(1, threads // at_once))


def side_by_side(calls: Sequence[Callable[[], R]], *, at_once: int) -> list[R]:
    """Call functions that train, some at once; give what they give, in their order.

    Where one fails, those that have begun go on to their end, so that nothing is lost, and no
    other begins; then its error is raised. Whatever else ends this (a signal) ends the training
    processes.

    Args:
        calls: each runs in a thread, within this flow run; or here, one after the other.
        at_once: how many.
    """
    if at_once == 1:
        return [call() for call in calls]
    with ThreadPoolExecutor(at_once) as pool:
        futures = [pool.submit(copy_context().run, call) for call in calls]
        try:
            wait(futures, return_when=FIRST_EXCEPTION)
            for future in futures:
                future.cancel()  # of those that have not begun
            wait(futures)
        except BaseException:
            for future in futures:
                future.cancel()
            end_trainings()
            raise
    failed = next((f for f in futures if not f.cancelled() and f.exception() is not None), None)
    if failed is not None:
        failed.result()
    return [future.result() for future in futures]
