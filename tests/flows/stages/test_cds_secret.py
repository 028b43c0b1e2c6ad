import os

import pytest
from prefect.blocks.system import Secret
from prefect.testing.utilities import prefect_test_harness

from flows.stages.cds_secret import use_secret
from pipelines.errors import DataError
from pipelines.sources.cds.credentials import read_credentials


@pytest.fixture(scope="module", autouse=True)
def prefect_server():
    """Blocks live in Prefect's database: one that ends with these tests."""
    with prefect_test_harness(server_startup_timeout=120):
        yield


def test_the_key_of_a_secret_block_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    Secret(value="key-from-prefect").save("cds-key")
    monkeypatch.setenv("CDSAPI_KEY", "another")
    use_secret("cds-key")
    assert read_credentials().key == "key-from-prefect"


def test_no_block_leaves_the_environment_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CDSAPI_KEY", "mine")
    use_secret(None)
    assert os.environ["CDSAPI_KEY"] == "mine"


def test_an_unknown_block_is_named() -> None:
    with pytest.raises(DataError, match="no Prefect Secret block 'absent'"):
        use_secret("absent")


def test_a_block_without_text_is_refused() -> None:
    Secret(value="  ").save("empty-key")
    with pytest.raises(DataError, match="'empty-key' holds no text"):
        use_secret("empty-key")
