"""The statistics of every init time, as a netCDF file: what intervals and tests come from."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType

import netCDF4
import numpy as np

from met2net.data.cf_metadata import COORDINATES
from met2net.verification.score_stream import ScoredBatch
from met2net.verification.statistics import OBSERVED, STATISTICS, WEIGHTINGS, Statistics, own_names
from pipelines.errors import DataError

__all__ = ["StatisticsWriter", "read_init_times", "read_scale", "read_statistics"]

_COMPARED = tuple(name for name in STATISTICS if name not in OBSERVED)
_CHUNK = 256  # init times together in the file
_PART = 1024  # init times read at once
_DIMS = ("weighting", "lead_time", "channel")


class StatisticsWriter:
    """Writes batches as they come, in float32, without keeping any.

    `observed(init_time, observed_statistic, weighting, lead_time, channel)` and
    `compared(init_time, model, compared_statistic, weighting, lead_time, channel)`: sums over
    the points of the whole field, of normalized values. Names: `met2net.verification.statistics`,
    and as `metric.sum` those of the metrics that are registered when the file is made.
    `scale(channel)` times a normalized value is in standard deviations of the training split.
    """

    def __init__(
        self,
        path: Path,
        *,
        models: Sequence[str],
        channels: Sequence[str],
        lead_hours: Sequence[int],
        scale: np.ndarray,
        attrs: dict[str, str],
    ) -> None:
        """Create the file at `path`."""
        self._models = {name: place for place, name in enumerate(models)}
        self._compared_names = (*_COMPARED, *own_names())
        self._file = netCDF4.Dataset(path, "w")
        self._file.setncatts(attrs)
        self._size = 0
        self._file.createDimension("init_time", None)
        for name, labels in (
            ("model", models), ("observed_statistic", OBSERVED),
            ("compared_statistic", self._compared_names), ("weighting", WEIGHTINGS),
            ("channel", channels),
        ):  # fmt: skip
            self._file.createDimension(name, len(labels))
            self._file.createVariable(name, str, (name,))[:] = np.array(labels, dtype=object)
        self._file.createDimension("lead_time", len(lead_hours))
        lead_time = self._file.createVariable("lead_time", "i8", ("lead_time",))
        lead_time.setncatts({"units": "hours", **COORDINATES["lead_time"]})
        lead_time[:] = list(lead_hours)
        factor = self._file.createVariable("scale", "f8", ("channel",))
        factor.setncatts({"units": "1", "long_name": "standard deviations of the training split"})
        factor[:] = scale
        init_time = self._file.createVariable("init_time", "i8", ("init_time",))
        init_time.setncatts({
            "units": "hours since 1970-01-01", "calendar": "proleptic_gregorian",
            **COORDINATES["init_time"],
        })  # fmt: skip
        # One lead time a chunk: intervals read lead by lead.
        tail = (len(WEIGHTINGS), 1, len(channels))
        self._observed = self._file.createVariable(
            "observed", "f4", ("init_time", "observed_statistic", *_DIMS),
            chunksizes=(_CHUNK, len(OBSERVED), *tail),
        )  # fmt: skip
        self._compared = self._file.createVariable(
            "compared", "f4", ("init_time", "model", "compared_statistic", *_DIMS),
            chunksizes=(_CHUNK, 1, len(self._compared_names), *tail),
        )  # fmt: skip
        self._observed.long_name = "sums over the field, of the observations"
        self._compared.long_name = "sums over the field, of forecasts and observations"

    def __enter__(self) -> "StatisticsWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._file.close()

    def add(self, batch: ScoredBatch) -> None:
        """Append a batch of one model; the first model's batch brings the init times."""
        place = self._models[batch.model]
        if place == 0:
            self._size += len(batch.init_time)
        rows = slice(self._size - len(batch.init_time), self._size)
        if place == 0:
            self._file["init_time"][rows] = batch.init_time
            self._observed[rows] = _stack(batch.statistics, OBSERVED)
        self._compared[rows, place] = _stack(batch.statistics, self._compared_names)


def read_init_times(path: Path) -> np.ndarray:
    """Give the init times of a file, in hours since the epoch."""
    with netCDF4.Dataset(path) as file:
        return np.asarray(file["init_time"][:].filled())


def read_scale(path: Path) -> np.ndarray:
    """Give what normalized values are multiplied by to be in training standard deviations.

    Raises:
        DataError: if the file does not say; those of earlier versions do not.
    """
    with netCDF4.Dataset(path) as file:
        if "scale" not in file.variables:
            raise DataError(f"{path} has no scale of channels; expected one: score the run again")
        return np.asarray(file["scale"][:].filled())


def read_statistics(path: Path, model: str, lead: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Read one model's statistics of one lead time, some init times at a time.

    Args:
        path: the file.
        model: its name.
        lead: place of the lead time.

    Yields:
        Init times, and sums by init time, statistic (as `STATISTICS`, then the sums of registered
        metrics, NaN where the file was made without them), weighting and channel.
    """
    names = (*STATISTICS, *own_names())
    with netCDF4.Dataset(path) as file:
        place = list(file["model"][:]).index(model)
        for start in range(0, file.dimensions["init_time"].size, _PART):
            rows = slice(start, start + _PART)
            observed = file["observed"][rows, :, :, lead].filled()
            compared = file["compared"][rows, place, :, :, lead].filled()
            by_name = dict(zip(OBSERVED, np.moveaxis(observed, 1, 0), strict=True))
            labels = file["compared_statistic"][:]
            by_name |= dict(zip(labels, np.moveaxis(compared, 1, 0), strict=True))
            unknown = np.full_like(by_name["weight"], np.nan)
            stacked = np.stack([by_name.get(name, unknown) for name in names], axis=1)
            yield file["init_time"][rows].filled(), stacked.astype(np.float64)


def _stack(statistics: Statistics, names: Sequence[str]) -> np.ndarray:
    """Give some sums of the whole field (region 0), by init time first."""
    sums = {name: getattr(statistics, name) for name in STATISTICS} | dict(statistics.own)
    return np.stack([sums[name][:, 0] for name in names], axis=1)
