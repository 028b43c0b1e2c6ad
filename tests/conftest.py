"""What all tests share: settings may name classes of the tests, as nobody else's may."""

import os
from collections.abc import Iterator

import pytest

os.environ.setdefault("MET2NET_TRUSTED_PACKAGES", "tests")


@pytest.fixture(autouse=True)
def no_variables_of_other_tests() -> Iterator[None]:
    """A definition is for the process that reads it; here, for the test that does."""
    from met2net.data import variables  # once it is known whether types are checked

    before = variables._ADDED
    variables._ADDED = dict(before)
    yield
    variables._ADDED = before
