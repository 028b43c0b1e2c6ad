"""One process at a time fetches into a folder of months."""

from pathlib import Path

import filelock

from pipelines.errors import DataError
from pipelines.sources.cds.disk_trouble import using_disk

__all__ = ["lock_series"]


def lock_series(folder: Path) -> filelock.BaseFileLock:
    """Be the only one who fetches into a folder; any thread may release the lock.

    Raises:
        DataError: if another process holds it.
        DiskTrouble: if the folder cannot be made or written.
    """
    lock = filelock.FileLock(folder / ".lock", timeout=0, thread_local=False)
    with using_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            lock.acquire()
        except filelock.Timeout as error:
            raise DataError(
                f"another process is fetching into {folder} (it holds {lock.lock_file}); run "
                "again when it has finished"
            ) from error
    return lock
