"""The workspace's path, refused where databases in it could not be named."""

from pathlib import Path

from flows.settings.config_error import ConfigError

__all__ = ["workspace_folder"]

# Databases are named by addresses, in which these have a meaning; patterns of files likewise.
_REFUSED = "%?#[]*"


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
    return folder
