"""Disks that are full or read-only: a small tmpfs where this user may mount, else limits.

Where nothing can be mounted, a full disk is a limit on the size of files (RLIMIT_FSIZE, so
EFBIG instead of ENOSPC), and a read-only folder is one without the permission to write, which
a superuser cannot be refused.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

__all__ = ["can_mount", "folder_bytes", "limit_file_size", "remount", "small_disk", "unwritable"]

_ROOM = 512 * 2**20  # of a disk that is not to be full


@cache
def can_mount() -> bool:
    """Tell whether this user may mount a tmpfs."""
    probe = Path(f"/tmp/.chaos-probe-{os.getpid()}")
    probe.mkdir()
    try:
        done = _mount("-t", "tmpfs", "-o", "size=64k", "tmpfs", str(probe))
        if done:
            subprocess.run(["umount", str(probe)], check=True)
        return done
    finally:
        probe.rmdir()


def _mount(*arguments: str) -> bool:
    if shutil.which("mount") is None:
        return False
    return subprocess.run(["mount", *arguments], capture_output=True).returncode == 0


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a tmpfs over a folder, with room enough until it is made smaller."""
    folder.mkdir(parents=True, exist_ok=True)
    if not _mount("-t", "tmpfs", "-o", f"size={_ROOM}", "tmpfs", str(folder)):
        raise OSError(f"cannot mount a tmpfs at {folder}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def remount(folder: Path, *, read_only: bool = False, free: int | None = None) -> bool:
    """Make a mounted tmpfs read-only, or leave it so many bytes; tells whether it went.

    It does not go read-only while a file on it is open for writing.
    """
    size = _ROOM
    if free is not None:
        disk = os.statvfs(folder)
        size = (disk.f_blocks - disk.f_bfree) * disk.f_frsize + free
    return _mount("-o", f"remount,{'ro' if read_only else 'rw'},size={size}", str(folder))


def limit_file_size(size: int) -> None:
    """Let no file of this process become larger."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@contextmanager
def unwritable(folder: Path) -> Iterator[None]:
    """Take the permission to write from a folder and all inside; files stay readable."""
    modes = {path: path.stat().st_mode for path in [folder, *folder.rglob("*")] if path.is_dir()}
    for path in modes:
        path.chmod(0o555)
    try:
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


def folder_bytes(folder: Path) -> int:
    """Give the bytes of all files of a folder, in whole pages."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return sum(-(-size // 4096) * 4096 for size in sizes)
