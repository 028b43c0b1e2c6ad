"""Values that their kind allows and that can still be told to be wrong before anything starts."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flows.settings.built_setting import built
from flows.settings.config_error import ConfigError, refusing_wrong_settings
from flows.settings.optimization import optimization_settings
from met2net.data.variables import channel

__all__ = ["check_values"]

_LARGEST_SEED = 2**32 - 1
_TRACKING = r"(sqlite|mysql|postgresql|mssql)(\+\w+)?:///?.+|(https?|file)://?.+|databricks.*"

_MOST_BYTES_OF_A_NAME = 255  # of file systems


def check_values(settings: Mapping[str, Any]) -> None:
    """Refuse places that cannot be written to and names that nothing has.

    Args:
        settings: of any flow, of the declared kinds.

    Raises:
        ConfigError: naming the setting.
    """
    seed = settings.get("seed", 0)
    if isinstance(seed, int) and not 0 <= seed <= _LARGEST_SEED:
        raise ConfigError(f"seed is {seed}; expected 0 to {_LARGEST_SEED}")
    if "training" in settings:
        _check_training(settings["training"])
    if "workspace" in settings:
        _check_workspace(settings["workspace"])
    if "tracking" in settings:
        _check_tracking(settings["tracking"]["uri"])
    data = settings.get("data", {})
    if data.get("form", "weather") == "weather":
        for name, labels in data.get("variables", {}).items():
            for label in labels:
                _check_label(label, f"data.variables.{name}")
        with refusing_wrong_settings():  # as ends that do not fit each other
            for name in ("period", "splits"):
                if data.get(name) is not None:
                    built(settings, f"data.{name}")


def _check_training(training: Mapping[str, Any]) -> None:
    """Refuse what no model could be trained with."""
    rate = training["learning_rate"]
    optimization_settings({**training, "learning_rate": 1.0 if rate is None else rate}, "training")


def _check_workspace(workspace: str) -> None:
    """Refuse a workspace that is, or lies in, something else than a folder."""
    path = Path(workspace).absolute()
    longest = max(path.parts, key=lambda part: len(os.fsencode(part)))
    if len(os.fsencode(longest)) > _MOST_BYTES_OF_A_NAME:
        raise ConfigError(
            f"workspace has a name of {len(os.fsencode(longest))} bytes on its path; expected at "
            f"most {_MOST_BYTES_OF_A_NAME}"
        )
    for place in (path, *path.parents):
        if place.exists():
            if not place.is_dir():
                raise ConfigError(f"workspace is {workspace!r}, and {place} is a file; expected "
                                  "a folder, or room for one")  # fmt: skip
            if not os.access(place, os.W_OK | os.X_OK):
                raise ConfigError(f"workspace is {workspace!r}, and nothing can be written into "
                                  f"{place}; expected a folder of yours")  # fmt: skip
            return


def _check_tracking(uri: str) -> None:
    """Refuse what is no address of MLflow's."""
    if re.fullmatch(_TRACKING, uri) is None:
        raise ConfigError(
            f"tracking.uri is {uri!r}; expected sqlite:///FILE or http://HOST:PORT of a server"
        )


def _check_label(label: str, where: str) -> None:
    """Refuse a channel that the table of variables does not have."""
    try:
        channel(label)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error
