"""The monthly retraining over made-up months: one good, one noisy, one impossible."""

import json
from pathlib import Path

import pytest

from pipelines.archive.state import open_archive
from pipelines.registry.aliases import alias_history
from pipelines.registry.versions import list_versions
from tests.builders import fetched_months
from tests.flows.monthly.replayed import NAME, history, months_folder, overrides, run, store

pytestmark = pytest.mark.long

FAULTY = ["+source.noisy=2016-05", "+source.impossible=2016-06"]


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("replay")
    ran = run("replay", folder, *overrides(folder), *FAULTY, "replay.months=2016-04/2016-06")
    assert ran.returncode == 0, ran.stdout[-2000:] + ran.stderr[-3000:]
    return folder


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

    folders = sorted((months_folder(finished)).glob("2016-*"))
    first, second = (
        load_checkpoint(f / "models" / "challenger" / "model.safetensors") for f in folders[:2]
    )
    assert second.provenance["started_from"] == "version 1"
    assert second.normalizer == first.normalizer
    assert second.provenance["test"] == "2016-05-01T00 to 2016-05-31T23"


def test_each_month_has_its_pages(finished: Path) -> None:
    folder = months_folder(finished)
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
    folder = months_folder(finished)
    # As if the run had been killed after it registered and before it noted the outcome.
    for outcome in folder.glob("2016-0[45]-*/outcome.json"):
        outcome.unlink()
    ran = run("replay", finished, *overrides(finished), *FAULTY, "replay.months=2016-04/2016-06")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert len(list_versions(NAME, tracking_uri=store(finished))) == 2
    assert alias_history(NAME, tracking_uri=store(finished)) == before
    assert history(finished) == rows
    assert "epoch 1 of 1" not in ran.stdout + ran.stderr


def test_the_monthly_run_finds_nothing_to_do_and_says_so(finished: Path) -> None:
    more = [*overrides(finished), *FAULTY, f"tracking.registered_model={NAME}"]
    ran = run("monthly_retrain", finished, *more, "now=2016-06-20")
    assert ran.returncode == 0, ran.stderr[-3000:]
    assert "2016-05: nothing to do: 2016-05 is decided already: version 2" in ran.stdout
