"""What a training step of every network of a run took: `costs.nc`."""

import logging
from collections.abc import Mapping
from pathlib import Path

import xarray as xr

from pipelines.atomic import write_netcdf
from pipelines.training.step_time import read_step_time

__all__ = ["COSTS_FILE", "read_costs", "write_costs"]

COSTS_FILE = "costs.nc"

logger = logging.getLogger(__name__)


def write_costs(checkpoints: Mapping[str, Path], *, out: Path) -> Path | None:
    """Gather the times that trainings kept beside their checkpoints.

    Args:
        checkpoints: model name -> checkpoint file.
        out: folder to write into.

    Returns:
        Path of `costs.nc`: `step_time(network)` [s], `batch_size` and `num_threads`, see
        `pipelines.training.step_time.StepTime`; the attribute `device` says where. None where no
        training kept any.
    """
    found = {name: read_step_time(path.parent) for name, path in checkpoints.items()}
    times = {name: one for name, one in found.items() if one is not None}
    if not times:
        return None
    dataset = xr.Dataset(
        {
            "step_time": ("network", [one.seconds for one in times.values()], {"units": "s"}),
            "batch_size": ("network", [one.batch_size for one in times.values()]),
            "num_threads": ("network", [one.num_threads for one in times.values()]),
        },
        coords={"network": list(times)},
        attrs={"device": ", ".join(dict.fromkeys(one.device for one in times.values()))},
    )
    path = out / COSTS_FILE
    write_netcdf(path, dataset)
    logger.info("training steps of %d networks: %s", len(times), path)
    return path


def read_costs(run_folder: Path) -> xr.Dataset | None:
    """Read what `write_costs` wrote; None where there is nothing."""
    path = run_folder / COSTS_FILE
    if not path.is_file():
        return None
    with xr.open_dataset(path) as costs:
        return costs.load()
