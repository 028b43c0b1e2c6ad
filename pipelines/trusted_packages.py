"""Packages whose classes settings may name: this project's, and those that the environment adds."""

import os

__all__ = ["TRUSTED", "own_packages", "trusted_packages"]

TRUSTED = "MET2NET_TRUSTED_PACKAGES"
"""Environment variable: further packages, separated by commas, whose classes settings may name.

It is read from the environment, never from a configuration: who writes one cannot widen it.
"""


def trusted_packages() -> tuple[str, ...]:
    """Give the packages whose classes may be named."""
    return ("met2net", "pipelines", *own_packages())


def own_packages() -> tuple[str, ...]:
    """Give those of them that are not of this project."""
    return tuple(filter(None, os.environ.get(TRUSTED, "").split(",")))
