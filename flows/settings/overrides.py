"""Overrides as they are written at a terminal: what each sets, and values as they are meant.

Hydra's grammar would read a folder named `era5,v2` as two values and stop at `#`, `(1)` or `é`. A
setting that is a text or a path takes what stands behind the `=` as it is, unless it is in quotes.
"""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from flows.settings.config_error import ConfigError
from flows.settings.kinds import Choice, Kind, MappingOf, Plain

__all__ = ["Override", "apply", "read_override"]


@dataclass(frozen=True)
class Override:
    """What one override asks for.

    Attributes:
        text: as it was written.
        sign: `+`, `++`, `~` or none.
        key: dotted name of a setting, or a group of `configs/`, with the package behind `@`.
        value: what stands behind the first `=`; None where there is none.
    """

    text: str
    sign: str
    key: str
    value: str | None

    def group(self, configs: Path) -> str | None:
        """Give the folder of `configs/` that it chooses from; None for a single setting."""
        folder = self.key.partition("@")[0].lstrip("/")
        is_name = re.fullmatch(r"[\w/]+", folder) is not None
        # A name too long for a folder is none, too.
        return folder if is_name and os.path.isdir(configs / folder) else None

    def parsed(self) -> Any:
        """Read the value by Hydra's grammar.

        Raises:
            HydraException: if it is none, or asks for several runs.
        """
        found = OverridesParser.create().parse_override(f"x={self.value}")
        if found.is_sweep_override():
            raise HydraException(f"{self.text!r} asks for several runs")
        return found.value()


def read_override(text: str) -> Override:
    """Take an override apart.

    Raises:
        ConfigError: if it has no value, or its key cannot be one.
    """
    key, equals, value = text.partition("=")
    name = key.lstrip("+~")
    sign = key[: len(key) - len(name)]
    if not equals and sign != "~":
        raise ConfigError(f"override {text!r} has no value; expected key=value, as training.seed=1")
    unreadable = ConfigError(
        f"cannot read the key of override {text!r}; expected key=value, as training.seed=1"
    )
    try:
        OverridesParser.create().parse_override(f"{key}=0")
    except HydraException as error:
        raise unreadable from error
    if not all(name.partition("@")[0].split(".")):
        raise unreadable
    return Override(text, sign, name, value if equals else None)


def apply(settings: DictConfig, override: Override, kinds: Sequence[Kind]) -> None:
    """Set one setting of a composed configuration.

    A mapping whose names are anyone's choice, as `data.variables={t2m: [t2m]}`, replaces the one
    that was there; settings of a class are changed one by one.

    Args:
        settings: changed in place.
        override: of a single setting.
        kinds: that the setting may have.

    Raises:
        ConfigError: if it asks for several values.
    """
    assert override.value is not None
    value = _value(override, kinds)
    replaces = any(isinstance(kind, MappingOf) for kind in kinds)
    OmegaConf.update(settings, override.key, value, merge=not replaces, force_add=True)


def _value(override: Override, kinds: Sequence[Kind]) -> Any:
    """Read a value: as it is for a text, else by Hydra's grammar."""
    written = str(override.value)
    try:
        parsed = override.parsed()
    except HydraException as error:
        if "several runs" in str(error) and not _is_text(kinds):
            raise ConfigError(
                f"{override.text} asks for several runs; expected one value: run one command each, "
                "or give study.seeds=[0,1] and the like to an experiment that has a study"
            ) from error
        return written  # the check of its kind names the setting and what it may be
    is_quoted = written[:1] in ("'", '"') and isinstance(parsed, str)
    return written if _is_text(kinds) and parsed is not None and not is_quoted else parsed


def _is_text(kinds: Sequence[Kind]) -> bool:
    """Tell whether a setting is a text or a path, or null."""
    texts = [kind for kind in kinds if kind in (Plain("str"), Plain("Path"))]
    return bool(texts) and all(kind in (*texts, Choice((None,))) for kind in kinds)
