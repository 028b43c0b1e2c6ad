"""Two that register the same at once make one version."""

import threading
from pathlib import Path

import pytest
from filelock import FileLock

from pipelines.tracking.store_lock import one_at_a_time


@pytest.mark.parametrize("waits", [True, False])
def test_who_changes_a_database_file_waits_for_another_one_and_no_server_does(
    tmp_path: Path, waits: bool
) -> None:
    @one_at_a_time
    def change(*, tracking_uri: str) -> str:
        return tracking_uri

    database = tmp_path / "mlflow.db"
    uri = f"sqlite:///{database}" if waits else "http://127.0.0.1:5000"
    done: list[str] = []
    with FileLock(f"{database}.lock"):
        thread = threading.Thread(target=lambda: done.append(change(tracking_uri=uri)))
        thread.start()
        thread.join(timeout=0.3)
        assert thread.is_alive() == waits
        assert done == ([] if waits else [uri])
    thread.join(timeout=30)
    assert done == [uri]
