"""The workspace's path, refused where databases in it could not be named."""

import os
from pathlib import Path

from flows.settings.config_error import ConfigError

__all__ = ["workspace_folder"]

# Databases are named by addresses, in which these have a meaning; patterns of files likewise.
_REFUSED = "%?#[]*"
# SQLite opens no file with a longer path than 512 bytes; the longest of ours below it has 40.
_MOST_BYTES = 450


def workspace_folder(text: object) -> Path:
    """Give the folder of a workspace.

    Raises:
        ConfigError: if it is empty, or a name on its path has a character that the address of
            a database cannot hold.
    """
    if text is None or not str(text).strip():
        raise ConfigError("workspace is empty (an unset variable?); expected a folder")
    folder = Path(str(text))
    found = sorted(set(_REFUSED) & set(str(folder.resolve())))
    if found:
        raise ConfigError(
            f"workspace is {str(folder.resolve())!r}, with {' '.join(found)}; expected a path "
            f"without {' '.join(_REFUSED)}, which addresses of databases cannot hold"
        )
    size = len(os.fsencode(folder.resolve()))
    if size > _MOST_BYTES:
        raise ConfigError(
            f"workspace is a path of {size} bytes; expected at most {_MOST_BYTES}: SQLite opens no "
            "longer ones"
        )
    return folder
