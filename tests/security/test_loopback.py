"""Nothing listens beyond this machine unless somebody says so."""

import re
from pathlib import Path

from flows.services.local import ServiceSettings, services
from tests.climate_data_store.server import ClimateDataStore

ROOT = Path(__file__).parents[2]
LOOPBACK = "127.0.0.1"


def test_services_listen_on_loopback_by_default(tmp_path: Path) -> None:
    for service in services(ServiceSettings(workspace=tmp_path), {}):
        for option, value in zip(service.command, service.command[1:], strict=False):
            if option == "--host":
                assert value == LOOPBACK


def test_the_makefile_s_default_is_loopback() -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(r"^HOST \?= 127\.0\.0\.1$", text, re.MULTILINE)
    assert "0.0.0.0" not in text


def test_no_configuration_names_all_interfaces() -> None:
    files = [*(ROOT / "configs").rglob("*.yaml"), ROOT / "prefect.yaml"]
    assert [p.name for p in files if "0.0.0.0" in p.read_text(encoding="utf-8")] == []


def test_the_tests_own_server_is_on_loopback() -> None:
    with ClimateDataStore() as store:
        assert store.url.startswith(f"http://{LOOPBACK}:")
