from dataclasses import replace
from pathlib import Path

from pipelines.archive.state import ArchiveState
from pipelines.period import Period
from pipelines.report.operations import Section, to_markdown, write_page
from pipelines.retraining.outcome import COLUMNS, Outcome, read_outcome, write_outcome
from pipelines.retraining.plan import RetrainingPlan, pinned
from pipelines.training_sets.splits import Splits

SPLITS = Splits(
    Period("2019-01", "2019-12"), Period("2020-01", "2020-01"), Period("2020-02", "2020-02")
)
PLAN = RetrainingPlan("2020-02", "2020-03-07T00:00:00+00:00", "SNAPSHOT", SPLITS, "3")
OUTCOME = Outcome(
    "2020-02", "promoted", ("better", "surely"), PLAN.now, snapshot_id="SNAPSHOT123",
    new_months=("2020-02",), version="4", champion="4", score=0.44444, champion_score=0.5,
    improvement=0.11112, p_value=0.001, drift=0.4,
)  # fmt: skip


def test_a_plan_once_made_is_the_plan_whatever_comes_later(tmp_path: Path):
    path = tmp_path / "plan.json"
    assert pinned(PLAN, path) == PLAN
    assert pinned(replace(PLAN, champion="4", snapshot_id="LATER"), path) == PLAN


def test_a_plan_opens_the_archive_as_it_was_planned():
    state = ArchiveState("archive", "LATER", ("2020-01", "2020-02", "2020-03"))
    assert PLAN.archive(state) == ArchiveState("archive", "SNAPSHOT", ("2020-01", "2020-02"))


def test_an_outcome_survives_its_file(tmp_path: Path):
    write_outcome(tmp_path / "outcome.json", OUTCOME)
    assert read_outcome(tmp_path / "outcome.json") == OUTCOME


def test_a_row_has_every_column_and_says_what_is_not_there():
    assert dict(zip(COLUMNS, OUTCOME.row(), strict=True)) == {
        "month": "2020-02", "snapshot": "SNAPSHOT", "challenger": "4", "score": "0.4444",
        "champion's score": "0.5000", "gain": "+11.1%", "p": "0.001", "drift": "0.40",
        "decision": "promoted", "champion": "4", "reasons": "better; surely",
    }  # fmt: skip
    nothing = Outcome("2020-02", "nothing", ("decided already",), PLAN.now).row()
    assert nothing == ["2020-02", *["–"] * 7, "nothing", "–", "decided already"]


SECTIONS = [
    Section("One", ("a line",)),
    Section("Two", ("a", "b <i>"), ("month", "decision"), (("2020-02", "promoted"), ("a|b", "–"))),
]


def test_markdown_has_sections_lists_and_tables():
    assert to_markdown("Title", SECTIONS) == (
        "# Title\n\n## One\n\na line\n\n## Two\n\n- a\n- b <i>\n\n"
        "| month | decision |\n| --- | --- |\n| 2020-02 | promoted |\n| a\\|b | – |\n"
    )


def test_a_page_needs_nothing_else_and_escapes_texts(tmp_path: Path):
    page = write_page(tmp_path / "page.html", "Title", SECTIONS).read_text()
    assert "<h1>Title</h1>" in page and "b &lt;i&gt;" in page
    assert '<td class="promoted">promoted</td>' in page
    assert "http" not in page
