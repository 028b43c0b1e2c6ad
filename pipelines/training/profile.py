"""Profile the training that a job describes."""

from pathlib import Path

import lightning as L
import torch

from met2net.data.batches import BatchOrder, WindowBatches
from met2net.data.training_set import TrainingSet
from met2net.models.build import build
from met2net.training.module import ForecastModule
from met2net.training.profile import StepProfile, profile_training
from met2net.training.references import fit_objective, set_references
from met2net.training.repeated_blocks import recompute_activations
from pipelines.errors import as_data_error
from pipelines.training.job import TrainingJob
from pipelines.training_sets.ridge import fitted_ridge
from pipelines.training_sets.windows import windows_in_split

__all__ = ["profile_job"]


def profile_job(job: TrainingJob, *, num_batches: int) -> StepProfile:
    """Train for some batches on the job's own data and machinery, on one device; keep nothing.

    Raises:
        DataError: if the training split has too few batches.
    """
    if job.trainer.num_threads is not None:
        torch.set_num_threads(job.trainer.num_threads)
    L.seed_everything(job.optimization.seed, verbose=False)
    data = TrainingSet.open(Path(job.training_set))
    windows = windows_in_split(data, "train", job.window)
    order = BatchOrder(
        len(windows), job.optimization.batch_size, shuffle=True, seed=job.optimization.seed
    )
    network, objective = build(job.network), build(job.objective)
    set_references(
        network,
        data,
        window=job.window,
        ridge=lambda: fitted_ridge(data, window=job.window),
    )
    fit_objective(objective, data, window=job.window)
    module = ForecastModule(network, objective, job.optimization)
    with as_data_error():
        if job.trainer.recompute_activations:
            recompute_activations(module)
        return profile_training(
            module,
            WindowBatches(windows, order, pin_memory=job.trainer.accelerator == "gpu"),
            accelerator=job.trainer.accelerator,
            compile=job.trainer.compile,
            num_batches=num_batches,
        )
