"""What an archive holds at one state: its hours, its grid, and a record a month.

Records stand in a group of their own (`months`) inside the repository, beside the fields: they
are part of every snapshot, outlive the commits that wrote them when old snapshots expire, and
are read without walking through all commits.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import icechunk
import numpy as np
import xarray as xr
import zarr

from met2net.data.grid import Grid
from pipelines.archive.own_variables import learn_variables
from pipelines.archive.step import step_of
from pipelines.archive.storage import BRANCH
from pipelines.errors import DataError
from pipelines.period import Month

__all__ = ["ArchiveContents", "write_record"]

_GROUP = "months"
_RECORDS_CHUNK = 120  # months


@dataclass(frozen=True)
class ArchiveContents:
    """What an archive holds at one state.

    Attributes:
        snapshot_id: Icechunk's name of the state.
        hours: all hours, datetime64[h]; none in an archive that has no month yet.
        grid: the grid of all fields; None without a month.
        settings: weather, grid and fields that it was made with, as plain values; the time step
            and own variables only where there are any.
        records: month -> metadata of the commit that wrote it last.
    """

    snapshot_id: str
    hours: np.ndarray
    grid: Grid | None
    settings: Mapping[str, Any]
    records: Mapping[str, Mapping[str, Any]]

    @classmethod
    def read(
        cls, repository: icechunk.Repository, snapshot_id: str | None = None
    ) -> "ArchiveContents":
        """Read them, of the newest or a named state.

        Raises:
            DataError: if the archive was made before records stood in it, or with variables of
                its own that this process knows as others.
        """
        if snapshot_id is None:
            snapshot_id = repository.lookup_branch(BRANCH)
        store = repository.readonly_session(snapshot_id=snapshot_id).store
        try:
            root = zarr.open_group(store, mode="r")
        except FileNotFoundError:  # a repository is made before its first month
            return cls(snapshot_id, np.array([], dtype="datetime64[h]"), None, {}, {})
        if _GROUP not in root:
            raise DataError(
                "the archive was made by an older version, which kept no records of its months; "
                "it can be read, but to go on needs a new one, under another path"
            )
        dataset = xr.open_zarr(store, consolidated=False, chunks=None)
        hours = dataset["time"].values.astype("datetime64[h]")
        settings = json.loads(dataset.attrs["settings"])
        learn_variables(settings)
        array = root[f"{_GROUP}/record"]
        assert isinstance(array, zarr.Array)
        texts = np.asarray(array[:])
        records = [json.loads(str(text)) for text in texts]
        return cls(
            snapshot_id,
            hours,
            Grid.from_dataset(dataset),
            settings,
            {record["month"]: record for record in records},
        )

    @property
    def step_hours(self) -> int:
        """Time step [h]."""
        return step_of(self.settings)

    def held(self, month: Month) -> np.ndarray:
        """Hours of a month that are there."""
        return self.hours[np.isin(self.hours, month.hours())]


def write_record(session: icechunk.Session, record: Mapping[str, Any], *, position: int) -> None:
    """Write a month's record, as plain JSON values, at its place among the months."""
    if position == 0 and _GROUP not in zarr.open_group(session.store, mode="r+"):
        zarr.create_array(
            session.store, name=f"{_GROUP}/record", shape=(0,), chunks=(_RECORDS_CHUNK,),
            dtype=np.dtypes.StringDType(), dimension_names=("month",),
        )  # fmt: skip
    array = zarr.open_array(session.store, path=f"{_GROUP}/record", mode="r+")
    if position >= array.shape[0]:
        array.resize((position + 1,))
    array[position] = json.dumps(record)
