"""Export a state of an archive to a plain Zarr store, which any Zarr library can read."""

import logging
import shutil
import warnings
from pathlib import Path

import filelock
import zarr

from met2net.data.cf_metadata import with_cf_metadata
from pipelines.archive.state import existing_repository, open_snapshot
from pipelines.archive.storage import BRANCH, S3Settings
from pipelines.errors import DataError

__all__ = ["export_zarr"]

_log = logging.getLogger(__name__)


def export_zarr(
    path: str | Path, target: Path, *, snapshot_id: str | None = None, s3: S3Settings | None = None
) -> Path:
    """Write a state of an archive as one Zarr v3 store with consolidated metadata.

    It is written under a temporary name beside the target and renamed when it is whole.

    Args:
        path: the archive's folder, or `s3://bucket/prefix` as text.
        target: folder to make.
        snapshot_id: the state; None for the newest.
        s3: how to reach object storage; None as the environment says.

    Returns:
        The target.

    Raises:
        DataError: if there is something at the target, or no such state, or another process
            is exporting there.
    """
    repository = existing_repository(path, s3=s3)
    snapshot_id = snapshot_id or repository.lookup_branch(BRANCH)
    dataset = open_snapshot(repository, path, snapshot_id)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(target.parent / f".{target.name}.lock", timeout=0):
            if target.exists():
                raise DataError(f"{target} exists already; expected the name of a new folder")
            partial = target.parent / f".{target.name}.partial"
            shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
            try:
                dataset.attrs["archive_snapshot"] = snapshot_id
                told = with_cf_metadata(dataset, history=f"exported from snapshot {snapshot_id}")
                told.to_zarr(partial, mode="w-", consolidated=False)
                _consolidate(partial)
                partial.rename(target)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
    except filelock.Timeout as error:
        raise DataError(
            f"another process is exporting to {target} (it holds {error.lock_file}); "
            "expected to be the only one"
        ) from error
    _log.info("%s: %d hours of snapshot %s", target, dataset.sizes["time"], snapshot_id)
    return target


def _consolidate(path: Path) -> None:
    with warnings.catch_warnings():
        # Zarr's specification does not have consolidated metadata yet; xarray and zarr do.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        zarr.consolidate_metadata(path)
