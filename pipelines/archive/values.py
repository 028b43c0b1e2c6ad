"""Names for what an archive holds of some fields and hours, whatever snapshot it is in."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr

from pipelines.archive.contents import ArchiveContents
from pipelines.archive.state import ArchiveState, existing_repository
from pipelines.fingerprint import fingerprint

__all__ = ["used_values"]


def used_values(
    archive: ArchiveState,
    *,
    fields: Mapping[str, Sequence[int]],
    first: np.datetime64,
    last: np.datetime64,
) -> str:
    """Name the values of some fields in the months from one hour to another.

    Months before and after, other fields and the number of commits do not count: a snapshot
    that has gained a month gives the same name.

    Args:
        archive: the snapshot.
        fields: CDS long name -> pressure levels [hPa].
        first: first hour that is used.
        last: last hour that is used.

    Returns:
        16 hexadecimal digits.

    Raises:
        DataError: if the archive is there no longer.
    """
    repository = existing_repository(archive.path, s3=archive.s3)
    contents = ArchiveContents.read(repository, archive.snapshot_id)
    dataset = archive.open()
    used = (contents.hours >= first) & (contents.hours <= last)
    months = np.unique(contents.hours[used].astype("datetime64[M]")).astype(str)
    keys = [
        name if level is None else f"{name}@{level}"
        for name, levels in fields.items()
        for level in (levels or (None,))
    ]
    return fingerprint(
        {month: _values(contents.records[month], keys) for month in months.tolist()},
        dataset["expver"].values[used].tolist(),
        _axes(dataset),
        dataset.attrs["attribution"],  # it travels with training sets
    )


def _values(record: Mapping[str, Any], keys: Sequence[str]) -> Any:
    """Give the hashes of a month's fields; of one archived before they were kept, its commit."""
    values = record.get("values")
    if values is None:
        return [record["content"], record["settings"], record["committed_at"]]
    return {key: values.get(key) for key in keys}


def _axes(dataset: xr.Dataset) -> list[list[float]]:
    return [dataset[axis].values.tolist() for axis in ("latitude", "longitude")]
