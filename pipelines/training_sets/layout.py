"""How a training set lies on disk: chunks, small arrays, attributes.

The two large arrays, `data` and `climatology`, are chunks without compression, written by
tasks; this module chooses their shapes and writes everything else.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import dask.array as da
import numpy as np
import xarray as xr
import zarr

from met2net.data.climatology import NUM_DAYS, spans_two_years
from met2net.data.training_set import SPLITS, VALID_MASK, VALIDATION_AND_TEST
from met2net.data.training_statistics import TrainingStatistics
from met2net.data.valid_points import ValidPoints

__all__ = ["Layout", "chunk_hours_for", "write_metadata"]

_DAY = 24
_CHUNK_HOURS = 240  # of the fields, unless there are very many hours
_CHUNK_BYTES = 32 * 2**20
_MAPPED_CHUNKS = 512  # files that one process may map at once stay well below 1,024
_MAPPED_CHUNK_BYTES = 256 * 2**20
_CLIMATOLOGY_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Layout:
    """Shapes and chunks of the large arrays; they follow from the content alone.

    Attributes:
        fields: shape of `data`: hours, channels, latitudes, longitudes.
        chunk_hours: hours in a chunk of `data`: whole days, or a part of one where fields are
            large. Windows read hours, not chunks, so a chunk only has to be small enough for
            other readers, and chunks few enough to be mapped all at once.
        climatology: shape of `climatology`: days, hours of day, channels, latitudes,
            longitudes.
        climatology_chunk: channels and latitudes of its chunks.
    """

    fields: tuple[int, int, int, int]
    chunk_hours: int
    climatology: tuple[int, int, int, int, int]
    climatology_chunk: tuple[int, int]

    @classmethod
    def choose(
        cls, fields: tuple[int, int, int, int], *, times: np.ndarray, in_train: np.ndarray
    ) -> "Layout":
        """Choose for fields of some hours (datetime64[h]) and their training split."""
        train = times[in_train].astype(np.int64)
        days = NUM_DAYS if spans_two_years(train) else 1
        # By hour of day alone, or for less than hourly fields, fewer slots.
        slots = len(np.unique(train % _DAY))
        climatology = (days, slots, *fields[1:])
        row = days * slots * fields[3] * 4  # of one channel
        channels = fields[1] if row * fields[1] <= _CLIMATOLOGY_BYTES else 1
        most = max(1, _CLIMATOLOGY_BYTES // (row * channels))
        rows = next(n for n in range(min(most, fields[2]), 0, -1) if fields[2] % n == 0)
        hours = chunk_hours_for(fields)
        return cls(fields, hours, climatology, (channels, rows))


def chunk_hours_for(fields: tuple[int, int, int, int]) -> int:
    """Choose the hours in a chunk of fields of some shape."""
    num_hours, hour_bytes = fields[0], 4 * int(np.prod(fields[1:]))
    size = min(_CHUNK_HOURS, _CHUNK_BYTES // hour_bytes) // _DAY * _DAY
    if size == 0:
        size = next((n for n in (12, 6, 3) if n * hour_bytes <= _CHUNK_BYTES), 1)
    spread = -(-num_hours // (_MAPPED_CHUNKS * _DAY)) * _DAY
    return max(size, spread) if spread * hour_bytes <= _MAPPED_CHUNK_BYTES else size


def write_metadata(
    path: Path,
    layout: Layout,
    *,
    axes: xr.Dataset,
    times: np.ndarray,
    split: np.ndarray,
    statistics: TrainingStatistics,
    channels: Sequence[str],
    units: Sequence[str],
    attrs: dict[str, str],
    valid: ValidPoints | None = None,
) -> None:
    """Write all but the chunks of the two large arrays.

    Args:
        path: the store's folder, not there yet.
        layout: of the large arrays.
        axes: `latitude`, `longitude` and `expver(time)` of the archive, in memory.
        times: hours of the set, datetime64[h].
        split: see `met2net.data.training_set.SPLITS`.
        statistics: one of each a channel.
        channels: labels, in order.
        units: physical units, one a channel.
        attrs: the store's attributes.
        valid: points with a value, written where some point has none.
    """
    text = np.dtypes.StringDType()
    by = "hour of day" if layout.climatology[0] == 1 else "day of year and hour of day"
    field = ("channel", "latitude", "longitude")
    data = da.zeros(layout.fields, dtype=np.float32, chunks=-1)
    climatology = da.zeros(layout.climatology, dtype=np.float32, chunks=-1)
    flags = {
        "flag_values": [0, *SPLITS.values(), VALIDATION_AND_TEST],
        "flag_meanings": " ".join(["none", *SPLITS, "validation_and_test"]),
    }
    store = xr.Dataset(
        {
            "data": (("time", *field), data, {"long_name": "normalized fields"}),
            "climatology": (
                ("dayofyear", "hour", *field), climatology, {"long_name": f"mean by {by}"},
            ),
            "mean": ("channel", statistics.mean),
            "std": ("channel", statistics.std),
            "minimum": ("channel", statistics.minimum),
            "maximum": ("channel", statistics.maximum),
            "difference_std": ("channel", statistics.difference_std),
            "units": ("channel", np.array(list(units), dtype=text)),
            "split": ("time", split, flags),
            "expver": ("time", axes["expver"].values.astype(text)),
        },
        coords={
            "time": times.astype("datetime64[ns]"),
            "channel": np.array(list(channels), dtype=text),
            "latitude": ("latitude", axes["latitude"].values, axes["latitude"].attrs),
            "longitude": ("longitude", axes["longitude"].values, axes["longitude"].attrs),
        },
        attrs=attrs,
    )  # fmt: skip
    if valid is not None:
        note = {"long_name": "points with a value", "flag_values": [0, 1],
                "flag_meanings": "missing valid"}  # fmt: skip
        store[VALID_MASK] = (field, valid.mask.astype(np.int8), note)
    plain = {"compressors": None, "filters": None}
    encoding = {
        "data": {"chunks": (layout.chunk_hours, *layout.fields[1:]), **plain},
        "climatology": {
            "chunks": (*layout.climatology[:2], *layout.climatology_chunk, layout.climatology[4]),
            **plain,
        },
        "time": {
            "units": "hours since 1970-01-01", "calendar": "proleptic_gregorian",
            "dtype": "int64",
        },
    }  # fmt: skip
    # Not computed: tasks have made the chunks.
    store.to_zarr(path, mode="w-", consolidated=False, compute=False, encoding=encoding)
    with warnings.catch_warnings():
        # Zarr's specification does not have consolidated metadata yet; xarray and zarr do.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path)
