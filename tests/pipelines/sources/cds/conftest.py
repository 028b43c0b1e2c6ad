from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.climate_data_store.server import ClimateDataStore


@pytest.fixture
def open_store(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ClimateDataStore]]:
    """Start a local Climate Data Store, and let `cdsapi` find it."""
    with ExitStack() as stack:

        def start(**settings: object) -> ClimateDataStore:
            store = stack.enter_context(ClimateDataStore(**settings))
            monkeypatch.setenv("CDSAPI_URL", store.url)
            monkeypatch.setenv("CDSAPI_KEY", store.key)
            monkeypatch.setenv("NO_PROXY", "127.0.0.1")
            return store

        yield start
