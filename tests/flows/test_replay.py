"""The monthly retraining over made-up months: one good, one noisy, one impossible."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.archive.state import open_archive
from pipelines.registry.aliases import alias_history
from pipelines.registry.versions import list_versions
from tests.builders import fetched_months

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]
NAME = "met2net-mumbai_monthly-replay"


def overrides(folder: Path) -> list[str]:
    return [
        "experiment=mumbai_monthly",
        f"workspace={folder / 'workspace'}",
        "source._target_=tests.flows.monthly.arriving_source.ArrivingSource",
        "+source.noisy=2016-05", "+source.impossible=2016-06",
        "~data.variables.msl", "~data.variables.v10", "~data.variables.d2m",
        "data.window.num_inputs=2", "data.window.num_targets=2",
        "training.batches_per_epoch=8",
        "rolling.test_months=1", "rolling.validation_months=1",
        "rolling.fewest_training_months=2",
        "promotion.yardstick=null",  # eight steps of training beat nothing
        "evaluation.scoring.num_resamples=100",
    ]  # fmt: skip


def run(flow: str, folder: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"flows/{flow}.py", *more],
        cwd=ROOT,
        env=os.environ | {
            "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "HOME": str(folder),
            "PREFECT_HOME": str(folder / "prefect_home"), "COLUMNS": "200",
        },
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    ran = run("replay", folder, *overrides(folder), "replay.months=2016-04/2016-06")
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
    return folder


def store(folder: Path) -> str:
    return f"sqlite:///{folder / 'workspace' / 'mlflow.db'}"


def history(folder: Path) -> list[dict[str, str]]:
    path = folder / "workspace" / "monthly" / "mumbai_monthly" / "history.csv"
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_history_tells_each_month_apart(finished: Path) -> None:
    good, noisy, impossible = history(finished)
    assert (good["month"], good["decision"], good["champion"]) == ("2016-04", "promoted", "1")
    assert "there was no champion" in good["reasons"]
    assert (noisy["month"], noisy["decision"], noisy["champion"]) == ("2016-05", "declined", "1")
    assert "roughness of" in noisy["reasons"] and float(noisy["drift"]) > 1
    assert noisy["challenger"] == "2" and float(noisy["champion's score"]) > 0
    assert (impossible["month"], impossible["decision"]) == ("2016-06", "refused")
    assert "fake, 2016-06" in impossible["reasons"] and "expected within" in impossible["reasons"]


def test_a_refused_month_is_not_in_the_archive_and_no_later_one_was_asked_for(
    finished: Path,
) -> None:
    (archive,) = (finished / "workspace" / "archive").glob("fake-*[!k]")
    time = open_archive(archive)["time"].values.astype("datetime64[M]")
    assert str(time[-1]) == "2016-05"
    asked = fetched_months(finished / "workspace" / "raw")
    # Each month once, when it had arrived.
    assert asked == ["2016-01", "2016-02", "2016-03", "2016-04", "2016-05", "2016-06"]


def test_alias_history_goes_by_the_replayed_clock(finished: Path) -> None:
    changes = alias_history(NAME, tracking_uri=store(finished))
    assert [(c.time[:10], c.alias, c.version) for c in changes] == [
        ("2016-05-07", "champion", "1"),
        ("2016-06-07", "challenger", "2"),
    ]


def test_versions_carry_month_decision_and_reasons(finished: Path) -> None:
    first, second = list_versions(NAME, tracking_uri=store(finished))
    assert first.tags["month"] == "2016-04" and first.tags["decision"] == "promoted"
    assert second.tags["champion_before"] == "1" and second.tags["decision"] == "declined"
    assert "roughness" in json.loads(second.tags["reasons"])[0]
    assert f"{second.registered_at:%Y-%m-%d}" == "2016-06-07"


def test_the_challenger_went_on_from_the_champion_in_its_normalization(finished: Path) -> None:
    from met2net.checkpoint import load_checkpoint

    folders = sorted((finished / "workspace" / "monthly" / "mumbai_monthly").glob("2016-*"))
    first, second = (
        load_checkpoint(f / "models" / "challenger" / "model.safetensors") for f in folders[:2]
    )
    assert second.provenance["started_from"] == "version 1"
    assert second.normalizer == first.normalizer
    assert second.provenance["test"] == "2016-05-01T00 to 2016-05-31T23"


def test_each_month_has_its_pages(finished: Path) -> None:
    folder = finished / "workspace" / "monthly" / "mumbai_monthly"
    (noisy,) = folder.glob("2016-05-*")
    page = (noisy / "month.html").read_text()
    assert "version 2" in page and "drift: " in page
    assert not (noisy / "report.html").is_file()
    assert "refused" in (folder / "history.html").read_text()
    assert "| 2016-06 |" in (folder / "history.md").read_text()


def test_again_and_after_a_crash_there_is_no_second_version_and_no_second_champion(
    finished: Path,
) -> None:
    before = alias_history(NAME, tracking_uri=store(finished))
    rows = history(finished)
    folder = finished / "workspace" / "monthly" / "mumbai_monthly"
    # As if the run had been killed after it registered and before it noted the outcome.
    for outcome in folder.glob("2016-0[45]-*/outcome.json"):
        outcome.unlink()
    ran = run("replay", finished, *overrides(finished), "replay.months=2016-04/2016-06")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert len(list_versions(NAME, tracking_uri=store(finished))) == 2
    assert alias_history(NAME, tracking_uri=store(finished)) == before
    assert history(finished) == rows
    assert "epoch 1 of 1" not in ran.stdout + ran.stderr


def test_the_monthly_run_finds_nothing_to_do_and_says_so(finished: Path) -> None:
    more = [*overrides(finished), f"tracking.registered_model={NAME}"]
    ran = run("monthly_retrain", finished, *more, "now=2016-06-20")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "2016-05: nothing to do: 2016-05 is decided already: version 2" in ran.stdout
