"""A change of an alias of a registered model, as it is recorded."""

from dataclasses import dataclass

__all__ = ["AliasChange"]


@dataclass(frozen=True)
class AliasChange:
    """An alias was given to a version.

    Attributes:
        time: UTC, ISO 8601.
        alias: `champion` or `challenger`.
        version: that has it from now on; None: the alias is free.
        previous: version that had it before, or None.
        reason: why.
    """

    time: str
    alias: str
    version: str | None
    previous: str | None
    reason: str
