"""Two months of the monthly retraining, from new weather to a decision, over one command."""

from pathlib import Path

import pytest

from pipelines.registry.versions import list_versions, run_of_version
from pipelines.tracking.mlflow_quiet import mlflow_client
from tests.flows.monthly.replayed import NAME, history, months_folder, overrides, run, store


@pytest.mark.slow
def test_two_months_make_two_versions_and_two_decisions_whose_final_pages_are_in_mlflow(
    tmp_path: Path, prefect_api: str
) -> None:
    settings = [
        *overrides(tmp_path),
        "rolling.fewest_training_months=1", "replay.months=2016-03/2016-04",
        "training.batches_per_epoch=2", "evaluation.num_examples=1",
    ]  # fmt: skip
    ran = run("replay", tmp_path, *settings, prefect_api=prefect_api)
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
    first, second = history(tmp_path)
    assert (first["month"], first["decision"], first["champion"]) == ("2016-03", "promoted", "1")
    assert "there was no champion" in first["reasons"]
    assert second["decision"] in ("promoted", "declined")
    assert second["champion"] == ("2" if second["decision"] == "promoted" else "1")
    assert float(second["champion's score"]) > 0
    versions = list_versions(NAME, tracking_uri=store(tmp_path))
    assert [v.tags["month"] for v in versions] == ["2016-03", "2016-04"]
    client = mlflow_client(store(tmp_path))
    for version, row in zip(versions, (first, second), strict=True):
        (folder,) = months_folder(tmp_path).glob(f"{row['month']}-*")
        page = (folder / "month.md").read_text()
        assert f"version {version.version}" in page and "being registered" not in page
        run_id = run_of_version(NAME, version.version, tracking_uri=store(tmp_path))
        logged = client.download_artifacts(run_id, "month.md", str(tmp_path))
        assert Path(logged).read_text() == page
