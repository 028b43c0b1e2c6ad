"""MLflow's addresses after a workspace was moved.

`python -m pipelines.tracking.moved_workspace FOLDER`

MLflow notes where artifacts lie by absolute path. Everything else in a workspace is found from
where the workspace is.
"""

import argparse
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

from pipelines.errors import DataError

__all__ = ["main", "readdress_artifacts"]

# Table and column of every address of artifacts in MLflow's database, version 3.
_ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_USER_MISTAKE = 2


def readdress_artifacts(workspace: Path) -> tuple[str, int]:
    """Make MLflow's database look for artifacts in the workspace that it lies in.

    All addresses change, or none. Addresses on a server or an object storage stay.

    Args:
        workspace: folder with `mlflow.db` and `artifacts/`; no server runs on it.

    Returns:
        The address of the folder of artifacts before, and how many addresses were changed.

    Raises:
        DataError: if there is no database of MLflow's, a server holds it, or there is nothing
            where an address will lead.
    """
    database, artifacts = workspace.resolve() / "mlflow.db", workspace.resolve() / "artifacts"
    if not database.is_file():
        raise DataError(f"found no file {database}; expected the workspace's MLflow database")
    try:
        with closing(sqlite3.connect(database)) as connection, connection:
            return _readdress(connection, artifacts)
    except sqlite3.DatabaseError as error:
        raise DataError(
            f"{database}: {error}; expected MLflow's database, and no server that runs on it"
        ) from error


def _readdress(connection: sqlite3.Connection, artifacts: Path) -> tuple[str, int]:
    before = _artifacts_before(connection)
    if before is None or before == artifacts.as_uri():
        return artifacts.as_uri(), 0
    _check_complete(connection, before, artifacts)
    changed = 0
    for table, column in _ADDRESSES:
        # Names are ours; values are bound.
        changed += connection.execute(
            f"UPDATE {table} SET {column} = ? || substr({column}, ?) "
            f"WHERE substr({column}, 1, ?) = ?",
            (artifacts.as_uri(), len(before) + 1, len(before) + 1, f"{before}/"),
        ).rowcount
    return before, changed


def _artifacts_before(connection: sqlite3.Connection) -> str | None:
    """Give the folder that experiments' artifacts lie in; None where there are none on a disk."""
    found = connection.execute(
        "SELECT artifact_location FROM experiments WHERE artifact_location LIKE 'file:///%'"
    ).fetchall()
    folders = {location.rsplit("/", 1)[0] for (location,) in found}
    if len(folders) > 1:
        listed = ", ".join(sorted(folders))
        raise DataError(f"found artifacts in {listed}; expected them all in one folder")
    return folders.pop() if folders else None


def _check_complete(connection: sqlite3.Connection, before: str, artifacts: Path) -> None:
    """Refuse a workspace that came without the artifacts of its experiments."""
    for (location,) in connection.execute(
        "SELECT artifact_location FROM experiments WHERE lifecycle_stage = 'active' "
        "AND artifact_location LIKE 'file:///%'"
    ):
        folder = artifacts / unquote(location.removeprefix(f"{before}/"))
        if not folder.is_dir():
            raise DataError(f"found no folder {folder}; expected the artifacts to be moved, too")


def main(arguments: Sequence[str]) -> int:
    """Readdress the artifacts of a workspace; give the exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m pipelines.tracking.moved_workspace",
        description="Make MLflow look for artifacts where a moved workspace is now.",
    )
    parser.add_argument("workspace", type=Path)
    workspace = parser.parse_args(arguments).workspace
    try:
        before, changed = readdress_artifacts(workspace)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        return _USER_MISTAKE
    print(f"{changed} addresses changed, from {before}" if changed else "nothing to change")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
