"""RMSE as the mean over batches: a habit of published numbers, and never more than the RMSE.

That is so where all batches are as large; a smaller last one, which counts as much, may differ.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import xarray as xr

from met2net.verification.statistics import PLAIN, STATISTICS

__all__ = ["rmse_of_batches"]

_ERROR, _WEIGHT = (STATISTICS.index(name) for name in ("squared_error", "weight"))

ReadStatistics = Callable[[str, int], Iterator[tuple[np.ndarray, np.ndarray]]]


def rmse_of_batches(
    read: ReadStatistics,
    *,
    models: Sequence[str],
    num_leads: int,
    variables: Mapping[str, Sequence[str]],
    std: np.ndarray,
    batch_size: int,
) -> xr.Dataset:
    """Take the RMSE of every batch of windows in time order, then their mean.

    The RMSE of a batch pools its windows, all lead times, all points alike, and the channels of
    a variable; a last batch with fewer windows counts as much as the others.

    Args:
        read: model and place of the lead time -> parts of init times and sums, as
            `pipelines.evaluation.statistics_file.read_statistics`.
        models: names.
        num_leads: number of lead times.
        variables: group name -> channels; together all channels, in order.
        std: what channels were divided by.
        batch_size: windows in a batch.

    Returns:
        `rmse_of_batches(model, variable)`, in the channels' units.
    """
    sizes = [len(labels) for labels in variables.values()]
    firsts = np.cumsum([0, *sizes[:-1]])
    rows = []
    for model in models:
        error = weight = np.zeros(1)
        for lead in range(num_leads):
            sums = np.concatenate([part for _, part in read(model, lead)])[:, :, PLAIN]
            error = error + sums[:, _ERROR] * std**2  # (init time, channel)
            weight = weight + sums[:, _WEIGHT]
        starts = np.arange(0, len(error), batch_size)
        pooled = [
            np.add.reduceat(np.add.reduceat(x, starts, axis=0), firsts, axis=1)
            for x in (error, weight)
        ]
        rows.append(np.sqrt(pooled[0] / pooled[1]).mean(axis=0))
    note = {"long_name": f"mean of the RMSE of every {batch_size} windows in time order"}
    return xr.Dataset(
        {"rmse_of_batches": (("model", "variable"), np.stack(rows), note)},
        coords={"model": list(models), "variable": list(variables)},
    )
