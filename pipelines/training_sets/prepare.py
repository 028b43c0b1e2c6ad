"""Build a training set from one snapshot of an archive, or find it built already.

It is built under a temporary name, then renamed, and named by the fingerprint of everything
that it follows from, so that it is found again and never taken for another.
"""

import logging
import shutil
import uuid
from collections.abc import Callable
from pathlib import Path

import filelock

from met2net.data.training_set import TrainingSet
from met2net.data.variable_definitions import definitions_of
from met2net.data.variables import required_fields
from pipelines.archive.state import ArchiveState
from pipelines.archive.values import used_values
from pipelines.cluster import Cluster, Threads
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint
from pipelines.training_sets.build import write_store
from pipelines.training_sets.checksums import checksum_file, damaged_files, write_checksums
from pipelines.training_sets.settings import TrainingSetSettings

__all__ = [
    "FORMAT_VERSION",
    "build_once",
    "build_training_set",
]

FORMAT_VERSION = 3
"""Raised whenever the same settings would give another store."""

_ADVICE = "remove the folder to have it built again"
_log = logging.getLogger(__name__)


def build_training_set(
    archive: ArchiveState,
    settings: TrainingSetSettings,
    *,
    folder: Path,
    cluster: Cluster | None = None,
) -> Path:
    """Build the training set of an archive's snapshot, or find it built already.

    Args:
        archive: the snapshot to build from.
        settings: channels, splits, normalization, climatology.
        folder: where training sets are kept; the store is `<fingerprint>.zarr` in it.
        cluster: where tasks run and how much memory they may take; changes no bit of the
            result. None: threads.

    Returns:
        The store's path.

    Raises:
        DataError: if the archive lacks channels or hours, a value is missing, a channel is
            constant, the memory is too little, or what stands under the store's name is not
            that training set.
    """
    periods = settings.splits.periods().values()
    values = used_values(
        archive,
        fields=required_fields(settings.channels),
        first=min(period.first for period in periods),
        last=max(period.last for period in periods),
    )
    # Groups are a mapping, whose order a fingerprint of the settings alone would not see.
    own = definitions_of(required_fields(settings.channels))
    more = [own] if own else []  # so that sets of ERA5's variables keep their names
    name = fingerprint(settings.identity, settings.channels, values, FORMAT_VERSION, *more)

    def write(path: Path) -> None:
        with (cluster or Threads()).open() as workers:
            write_store(archive, settings, name=name, path=path, workers=workers)

    return build_once(write, name=name, folder=folder)


def build_once(write: Callable[[Path], None], *, name: str, folder: Path) -> Path:
    """Let a training set be written under a temporary name, or find it built already.

    Args:
        write: given a path that is not there yet, writes the store; what lies beside it in the
            same folder goes with it.
        name: the store's fingerprint.
        folder: where training sets are kept.

    Returns:
        The store's path.

    Raises:
        DataError: if what stands under the store's name is not that training set, and as
            `write` does.
    """
    target = folder / f"{name}.zarr"
    folder.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(folder / f".{name}.lock"):
        if target.exists():
            _check_store(target, name)
            _check_chunks(target)
            _log.info("training set %s stands already", name)
            return target
        for leftover in folder.glob(f".{name}.*.partial"):  # of a run that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        # Every run has a name of its own: on a cluster, tasks of a run that was killed may go
        # on for a while.
        partial = folder.resolve() / f".{name}.{uuid.uuid4().hex[:8]}.partial"
        try:
            write(partial / "store")
            _check_store(partial / "store", name)
            write_checksums(partial / "store", checksum_file(target))
            (partial / "store").rename(target)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
    _log.info("training set %s built", name)
    return target


def _check_store(path: Path, name: str) -> None:
    """Refuse a store that is broken or another one than its name says."""
    try:
        opened = TrainingSet.open(path)
    except ValueError as error:
        raise DataError(f"{error}; {_ADVICE}") from error
    if opened.attrs["fingerprint"] != name:
        raise DataError(
            f"{path} has fingerprint {opened.attrs['fingerprint']!r}; expected {name!r}: {_ADVICE}"
        )


def _check_chunks(path: Path) -> None:
    """Refuse a store that has been damaged since it was built."""
    if damaged := damaged_files(path):
        shown = ", ".join(damaged[:3]) + (", ..." if len(damaged) > 3 else "")
        raise DataError(
            f"{path} is damaged: found {len(damaged)} files with another checksum than when it "
            f"was built ({shown}); expected none: {_ADVICE}"
        )
