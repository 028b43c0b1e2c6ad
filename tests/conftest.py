"""What all tests share: trust in classes of the tests, variables of one test, and their order."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

# Settings may name classes of the tests, as nobody else's may.
os.environ.setdefault("MET2NET_TRUSTED_PACKAGES", "tests")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with files that hold a slow test: at the end, many short ones keep all processes busy.

    Files that run a whole flow have few tests; by their number, as pytest-xdist would order
    files, they came last, and one process waited for the other.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    flows = Path(__file__).parent / "flows"
    items.sort(key=lambda item: (item.path not in slow, item.path.parent != flows))


@pytest.fixture(autouse=True)
def no_variables_of_other_tests() -> Iterator[None]:
    """A definition is for the process that reads it; here, for the test that does."""
    from met2net.data import variables  # once it is known whether types are checked

    before = variables._ADDED
    variables._ADDED = dict(before)
    yield
    variables._ADDED = before
