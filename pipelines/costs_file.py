"""What a training step of every network of a run takes, measured: `costs.nc`."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
import xarray as xr

from pipelines.atomic import write_netcdf
from pipelines.training_cost import training_cost
from pipelines.training_job import read_job

__all__ = ["COSTS_FILE", "read_costs", "write_costs"]

COSTS_FILE = "costs.nc"

logger = logging.getLogger(__name__)


def write_costs(checkpoints: Mapping[str, Path], *, out: Path) -> Path | None:
    """Measure a few training steps of every network whose training job lies beside it.

    On noise of the data's shape, with the job's batch size, on its kind of device, one process;
    what was measured before is kept in `out/costs`.

    Returns:
        Path of `costs.nc`: `step_time(network)` [s], the quickest of three steps of all stages,
        `batch_size` and `num_threads`; the attribute `device` says where. None where no
        checkpoint has its job beside it.
    """
    jobs = {name: path.parent / "job.json" for name, path in checkpoints.items()}
    found = {name: read_job(path) for name, path in jobs.items() if path.is_file()}
    if not found:
        return None
    with _own_state():
        # In this process: its memory would be a rough figure, which is not kept.
        costs = [training_cost(job, folder=out / "costs", in_process=True)
                 for job in found.values()]  # fmt: skip
    dataset = xr.Dataset(
        {
            "step_time": ("network", [cost.step_time for cost in costs], {"units": "s"}),
            "batch_size": ("network", [cost.batch_size for cost in costs]),
            "num_threads": ("network", [cost.num_threads for cost in costs]),
        },
        coords={"network": list(found)},
        attrs={"device": ", ".join(dict.fromkeys(cost.device for cost in costs))},
    )
    path = out / COSTS_FILE
    write_netcdf(path, dataset)
    logger.info("measured training steps of %d networks: %s", len(found), path)
    return path


def read_costs(run_folder: Path) -> xr.Dataset | None:
    """Read what `write_costs` wrote; None where there is nothing."""
    path = run_folder / COSTS_FILE
    if not path.is_file():
        return None
    with xr.open_dataset(path) as costs:
        return costs.load()


@contextmanager
def _own_state() -> Iterator[None]:
    """Give random numbers and the number of threads back as they were."""
    threads = torch.get_num_threads()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(threads)
