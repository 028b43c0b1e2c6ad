"""Whether the simulator is there: tests that simulate are left out without it."""

from importlib import util

import pytest

__all__ = ["needs_simulator"]

needs_simulator = pytest.mark.skipif(
    util.find_spec("jcm") is None, reason="the simulator is not installed ([simulator])"
)
