"""Hydra: from a list of overrides to plain settings, and what was wrong with them in one line.

Imports nothing heavy: a command reads its settings before anything else.
"""

import difflib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from flows.config_error import ConfigError, one_line

__all__ = ["CONFIGS", "compose", "resolve"]

CONFIGS = Path(__file__).resolve().parents[1] / "configs"


def compose(overrides: Sequence[str], *, config: str = "full_experiment") -> DictConfig:
    """Compose the configuration of a flow.

    Raises:
        ConfigError: if an override does not fit; the message names the valid choices.
    """
    # The first value, or the second where that is null.
    OmegaConf.register_new_resolver("or", lambda a, b: b if a is None else a, replace=True)
    with hydra.initialize_config_dir(str(CONFIGS), version_base="1.3"):
        try:
            return hydra.compose(config, overrides=list(overrides))
        # Hydra lets some through: a group set to null, a name too long for a file.
        except (HydraException, OmegaConfBaseException, ValueError, OSError) as error:
            defaults = hydra.compose(config)
            raise ConfigError(_explain(error, overrides, defaults)) from error


def resolve(overrides: Sequence[str], *, config: str = "full_experiment") -> dict[str, Any]:
    """Compose the configuration of a flow as plain values, interpolations resolved.

    Raises:
        ConfigError: if an override does not fit, or a value is missing.
    """
    composed = compose(overrides, config=config)
    try:
        resolved = OmegaConf.to_container(composed, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        raise ConfigError(one_line(error)) from error
    assert isinstance(resolved, dict)
    return {str(key): value for key, value in resolved.items()}


def _explain(error: Exception, overrides: Sequence[str], defaults: DictConfig) -> str:
    """Say in one line which override is wrong and what could stand there."""
    for override in overrides:
        key = override.split("=", 1)[0].lstrip("+~")
        if "=" not in override:
            return f"override {override!r} has no value; expected key=value, as training.seed=1"
        path, value = key.split("@")[0], override.split("=", 1)[1]
        group = CONFIGS / path.replace(".", "/")
        if os.path.isdir(group) and "." not in path:  # False, too, for what no path can be
            choices = sorted(p.stem for p in group.glob("*.yaml"))
            if value not in choices:
                return f"no {path} {value!r}; choose one of: {', '.join(choices)}"
        elif not override.startswith(("+", "~")):
            wrong = _misspelt(path, defaults)
            if wrong is not None:
                return wrong
    return one_line(error)


def _misspelt(path: str, defaults: DictConfig) -> str | None:
    """Find the first part of a dotted key that the configuration does not have."""
    node: Any = defaults
    parts = path.split(".")
    for index, part in enumerate(parts):
        if not isinstance(node, DictConfig):
            return f"{'.'.join(parts[:index])!r} is a single value; it has no {part!r}"
        if part not in node:
            choices = sorted(str(key) for key in node if not str(key).startswith("_"))
            close = difflib.get_close_matches(part, choices, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            inside = f" in {'.'.join(parts[:index])!r}" if index else ""
            return f"no setting {part!r}{inside}{hint} valid: {', '.join(choices)}"
        try:
            node = node[part]
        except (ConfigKeyError, ConfigAttributeError, OmegaConfBaseException):
            return None  # a missing or interpolated leaf: it exists, the value is the trouble
    return None
