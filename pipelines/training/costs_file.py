"""What a training step of every network of a run takes, measured: `costs.nc`."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import torch
import xarray as xr

from pipelines.atomic import write_netcdf
from pipelines.training.cost import TrainingCost, training_cost
from pipelines.training.job import TrainingJob, read_job

__all__ = ["COSTS_FILE", "read_costs", "write_costs"]

COSTS_FILE = "costs.nc"

logger = logging.getLogger(__name__)


def write_costs(checkpoints: Mapping[str, Path], *, training_set: Path, out: Path) -> Path | None:
    """Measure a few training steps of every network whose training job lies beside it.

    On noise of the data's shape, in float32, with the job's batch size, on its kind of device,
    one process; what was measured before is kept in `out/costs`. A network whose step does not
    fit into the device's memory like that is left out.

    Args:
        checkpoints: model name -> checkpoint file.
        training_set: has the shape; a job names the place where it was at that time.
        out: folder to write into.

    Returns:
        Path of `costs.nc`: `step_time(network)` [s], the quickest of three steps of all stages,
        `batch_size` and `num_threads`; the attribute `device` says where. None where nothing
        was measured.
    """
    jobs = {name: path.parent / "job.json" for name, path in checkpoints.items()}
    found = {
        name: replace(read_job(path), training_set=str(training_set))
        for name, path in jobs.items()
        if path.is_file()
    }
    costs = {name: cost for name, job in found.items() if (cost := _measure(job, out / "costs"))}
    if not costs:
        return None
    dataset = xr.Dataset(
        {
            "step_time": ("network", [cost.step_time for cost in costs.values()], {"units": "s"}),
            "batch_size": ("network", [cost.batch_size for cost in costs.values()]),
            "num_threads": ("network", [cost.num_threads for cost in costs.values()]),
        },
        coords={"network": list(costs)},
        attrs={"device": ", ".join(dict.fromkeys(cost.device for cost in costs.values()))},
    )
    path = out / COSTS_FILE
    write_netcdf(path, dataset)
    logger.info("measured training steps of %d networks: %s", len(costs), path)
    return path


def _measure(job: TrainingJob, folder: Path) -> TrainingCost | None:
    """Measure one network; None where its step does not fit into the device's memory."""
    try:
        with _own_state(job.trainer.torch_device):
            # In this process: its memory would be a rough figure, which is not kept.
            return training_cost(job, folder=folder, in_process=True)
    except torch.OutOfMemoryError:  # a training may save memory in ways that this does not
        logger.warning(
            "%s: %d windows in float32 do not fit into the memory of %s; no training step measured",
            job.name, job.optimization.batch_size, job.trainer.torch_device,
        )  # fmt: skip
        return None


def read_costs(run_folder: Path) -> xr.Dataset | None:
    """Read what `write_costs` wrote; None where there is nothing."""
    path = run_folder / COSTS_FILE
    if not path.is_file():
        return None
    with xr.open_dataset(path) as costs:
        return costs.load()


@contextmanager
def _own_state(device: str) -> Iterator[None]:
    """Give random numbers and the number of threads back as they were."""
    threads = torch.get_num_threads()
    # By default every GPU of the machine would be started, for a measurement on the CPU, too.
    gpus = [torch.cuda.current_device()] if device == "cuda" else []
    try:
        with torch.random.fork_rng(devices=gpus):
            yield
    finally:
        torch.set_num_threads(threads)
