"""Where an archive lies: a local folder or `s3://bucket/prefix`; opening it, and writing alone.

Local folders are guarded by a file lock, since Icechunk's local storage is not safe for two
writers. On object storage Icechunk commits by a conditional write: the second of two writers
gets its `ConflictError`, and nothing of the first is lost.
"""

import errno
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import filelock
import icechunk

from pipelines.errors import DataError

__all__ = ["BRANCH", "S3Settings", "cause_of", "open_repository", "writing"]

BRANCH = "main"
"""The only branch of an archive."""

_MANIFEST_DAYS = 128  # days that one list of chunks covers; a commit rewrites the last list
_CREATION_POLLS = 20
_REMOVAL_POLLS = 100
_POLL_SECONDS = 0.1

_SCHEME = "s3://"
_DEFAULT_REGION = "us-east-1"  # what servers other than Amazon's take for theirs


@dataclass(frozen=True)
class S3Settings:
    """How to reach object storage; keys come from the environment alone.

    What is None is read from the environment when it is needed. Keys are found as by every
    AWS client: `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY`, or a role of the machine.

    Attributes:
        endpoint_url: server, as `https://storage.example.org`; None: `AWS_ENDPOINT_URL_S3`,
            then `AWS_ENDPOINT_URL`, then Amazon's own.
        region: None: `AWS_REGION`, then `AWS_DEFAULT_REGION`.
        allow_http: True to send everything unencrypted, as to a server on the same machine;
            None: `AWS_ALLOW_HTTP` is `true`.
    """

    endpoint_url: str | None = None
    region: str | None = None
    allow_http: bool | None = None

    def storage(self, url: str) -> icechunk.Storage:
        """Give Icechunk's storage for `s3://bucket/prefix`.

        Raises:
            DataError: if the address has no bucket or no prefix, or the server's address does
                not fit the settings.
        """
        bucket, _, prefix = url.removeprefix(_SCHEME).strip("/").partition("/")
        if not bucket or not prefix:
            raise DataError(f"archive {url!r} has no bucket or no prefix; expected s3://bucket/a/b")
        endpoint = self.endpoint_url or _environment("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
        region = self.region or _environment("AWS_REGION", "AWS_DEFAULT_REGION")
        allow_http = self.allow_http
        if allow_http is None:
            allow_http = (_environment("AWS_ALLOW_HTTP") or "").lower() in ("1", "true")
        if endpoint and endpoint.startswith("http://") and not allow_http:
            raise DataError(
                f"the object storage is at {endpoint}; expected https:// there, or the setting "
                "allow_http (AWS_ALLOW_HTTP=true) for an unencrypted one"
            )
        if region is None and endpoint is None:
            raise DataError(
                f"no region is set for {url}; expected the setting region or AWS_REGION"
            )
        return icechunk.s3_storage(
            bucket=bucket,
            prefix=prefix,
            region=region or _DEFAULT_REGION,
            endpoint_url=endpoint,
            allow_http=allow_http,
            force_path_style=endpoint is not None,
            from_env=True,
        )


def open_repository(
    path: str | Path, *, create: bool, s3: S3Settings | None = None
) -> icechunk.Repository | None:
    """Open the repository at a path, or make it; None where it is not and shall not be.

    Args:
        path: a folder, or `s3://bucket/prefix` as text.
        create: make it where nothing is.
        s3: how to reach object storage; by default as the environment says.

    Raises:
        DataError: if something else stands there, or the storage cannot be reached.
    """
    # It warns that local folders are not safe for two writers; the lock answers that.
    icechunk.set_logs_filter("error")
    with _reaching(path):
        if _is_remote(path):
            return _open_remote(str(path), s3 or S3Settings(), create=create)
        return _open_local(Path(path), create=create)


@contextmanager
def writing(path: str | Path, *, s3: S3Settings | None = None) -> Iterator[icechunk.Repository]:
    """Open an archive for writing; a local one as its only writer.

    A local one that was made for this and got no commit, as where the first month is refused, is
    removed again. On object storage it stays: another writer may be about to commit.

    Raises:
        DataError: if another process is writing to a local archive, or as `open_repository`.
    """
    if _is_remote(path):
        yield _existing(path, s3)
        return
    folder = Path(path)
    folder.parent.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(folder.parent / f"{folder.name}.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout as error:
        raise DataError(
            f"another process is writing to the archive {path} (it holds {lock.lock_file}); "
            "run again when it has finished"
        ) from error
    try:
        is_new = not folder.exists()
        repository = _existing(path, s3)
        first = repository.lookup_branch(BRANCH)
        try:
            yield repository
        finally:
            if is_new and repository.lookup_branch(BRANCH) == first:
                _remove(folder)
    finally:
        lock.release()


def _remove(folder: Path) -> None:
    """Remove a folder; threads that were at work when one failed may still finish a file there.

    Raises:
        OSError: if it cannot be removed, or is still being written to after some seconds.
    """
    for _ in range(_REMOVAL_POLLS):
        try:
            shutil.rmtree(folder)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.ENOENT):
                raise
        time.sleep(_POLL_SECONDS)
        if not folder.exists():
            return
    raise OSError(errno.ENOTEMPTY, "still being written to", str(folder))


def _existing(path: str | Path, s3: S3Settings | None) -> icechunk.Repository:
    repository = open_repository(path, create=True, s3=s3)
    assert repository is not None
    return repository


def _is_remote(path: str | Path) -> bool:
    """Tell an object store's address from a folder; refuse one that has lost a slash."""
    text = str(path)
    if isinstance(path, str) and text.startswith(_SCHEME):
        return True
    if text.startswith("s3:/"):
        raise DataError(f"archive {text!r} is no address; expected text such as s3://bucket/a/b")
    return False


def _open_remote(url: str, s3: S3Settings, *, create: bool) -> icechunk.Repository | None:
    storage = s3.storage(url)
    if not icechunk.Repository.exists(storage):
        if not create:
            return None
        try:
            icechunk.Repository.create(storage)
        except icechunk.IcechunkError:
            _wait_for(storage)  # if another writer makes it at this moment
            if not icechunk.Repository.exists(storage):
                raise
    return icechunk.Repository.open(storage, _config())


def _wait_for(storage: icechunk.Storage) -> None:
    """Wait for a repository that another process is making, at most a few seconds."""
    for _ in range(_CREATION_POLLS):
        if icechunk.Repository.exists(storage):
            return
        time.sleep(_POLL_SECONDS)


def _open_local(path: Path, *, create: bool) -> icechunk.Repository | None:
    if path.exists() and not path.is_dir():
        raise DataError(f"{path} is a file; expected a folder with an archive, or nothing")
    if not path.exists() and not create:
        return None
    storage = icechunk.local_filesystem_storage(str(path))
    if not icechunk.Repository.exists(storage):
        if path.exists() and any(path.iterdir()):
            raise DataError(f"folder {path} holds something else; expected an archive, or nothing")
        if not create:
            return None
        _create_local(path)
    return icechunk.Repository.open(storage, _config())


def _create_local(path: Path) -> None:
    """Make a repository under another name first: a killed process leaves no half of one."""
    partial = path.parent / f".{path.name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    icechunk.Repository.create(icechunk.local_filesystem_storage(str(partial)))
    partial.rename(path)


def _config() -> icechunk.RepositoryConfig:
    """Cut the lists of chunks along time, so that a commit costs the same in a long archive."""
    along_time = icechunk.ManifestSplitDimCondition.DimensionName("time")
    splitting = icechunk.ManifestSplittingConfig.from_dict(
        {icechunk.ManifestSplitCondition.AnyArray(): {along_time: _MANIFEST_DAYS}}
    )
    return icechunk.RepositoryConfig(manifest=icechunk.ManifestConfig(splitting=splitting))


def cause_of(error: Exception) -> str:
    """Give the last line of an error, which of Icechunk's tells the cause."""
    return str(error).strip().splitlines()[-1].strip(" `|->")


@contextmanager
def _reaching(path: str | Path) -> Iterator[None]:
    """Tell in one line why an archive cannot be opened."""
    try:
        yield
    except icechunk.IcechunkError as error:
        raise DataError(
            f"archive {path} cannot be opened: {cause_of(error)}; expected storage that is there "
            "and lets this user in"
        ) from error


def _environment(*names: str) -> str | None:
    """Give the first of some environment variables that is set."""
    return next((os.environ[name] for name in names if os.environ.get(name)), None)
