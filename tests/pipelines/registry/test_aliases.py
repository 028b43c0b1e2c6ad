import json
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta

import pytest

from pipelines.errors import DataError
from pipelines.registry.aliases import (
    AliasChange,
    alias_history,
    champion_on,
    champions,
    give_first_alias,
    notice_moves,
    promote,
    rollback,
)
from pipelines.tracking.mlflow_quiet import mlflow

MARCH = datetime(2020, 3, 7, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """One database for the module: making its tables takes seconds."""
    return f"sqlite:///{tmp_path_factory.mktemp('aliases')}/mlflow.db"


def make_versions(store: str, name: str, number: int) -> mlflow.MlflowClient:
    client = mlflow.MlflowClient(tracking_uri=store)
    client.create_registered_model(name)
    for _ in range(number):
        client.create_model_version(name, source="file:///nowhere")
    return client


def make_change(time: str, version: str | None, alias: str = "champion") -> AliasChange:
    return AliasChange(f"{time}+00:00", alias, version, None, "because")


HISTORY = [
    make_change("2020-01-07T00:00:00.000000", "1"),
    make_change("2020-02-07T06:00:00.000000", "2", "challenger"),
    make_change("2020-03-07T06:00:00.000000", "3"),
]


def test_champion_of_a_moment_is_the_last_one_given_the_alias_before_it():
    assert champion_on(HISTORY, datetime(2020, 1, 6, 23, 59)) is None
    assert champion_on(HISTORY, datetime(2020, 1, 7)).version == "1"
    assert champion_on(HISTORY, datetime(2020, 3, 7, 5, 59, tzinfo=UTC)).version == "1"
    assert champion_on(HISTORY, datetime(2020, 3, 7, 6, tzinfo=UTC)).version == "3"


def test_a_date_means_its_end():
    assert champion_on(HISTORY, date(2020, 3, 6)).version == "1"
    assert champion_on(HISTORY, date(2020, 3, 7)).version == "3"


def test_a_freed_alias_is_no_champion():
    freed = [*HISTORY, make_change("2020-04-01T00:00:00.000000", None)]
    assert champion_on(freed, date(2020, 4, 1)) is None
    assert champions(freed) == {"1", "3"}


def test_changes_carry_the_moment_that_they_are_told_and_keep_their_order(store):
    client = make_versions(store, "clock", 2)
    give_first_alias(client, "clock", "1", now=MARCH)
    give_first_alias(client, "clock", "2", now=MARCH)
    promote("clock", "2", tracking_uri=store, reason="better", now=MARCH)
    history = alias_history("clock", tracking_uri=store)
    assert [(c.alias, c.version) for c in history] == [
        ("champion", "1"), ("challenger", "2"), ("champion", "2"), ("challenger", None),
    ]  # fmt: skip
    assert {c.time for c in history} == {"2020-03-07T12:00:00.000000+00:00"}


def test_a_clock_behind_the_last_change_is_refused(store):
    client = make_versions(store, "backwards", 2)
    give_first_alias(client, "backwards", "1", now=MARCH)
    with pytest.raises(DataError, match="expected a clock that is not behind it, found 2020-03-06"):
        promote("backwards", "2", tracking_uri=store, reason="x", now=MARCH - DAY)


def test_a_change_recorded_under_a_clock_ahead_blocks_no_later_one(store):
    client = make_versions(store, "ahead", 3)
    give_first_alias(client, "ahead", "1", now=datetime(2140, 1, 1, tzinfo=UTC))
    promote("ahead", "2", tracking_uri=store, reason="better")
    promote("ahead", "3", tracking_uri=store, reason="better still")
    history = alias_history("ahead", tracking_uri=store)
    assert [change.version for change in history] == ["1", "2", "3"]
    assert "recorded under a clock at 2140-01-01T00:00" in history[1].reason
    assert history[2].reason == "better still"
    assert champion_on(history, datetime.now(UTC)).version == "3"
    assert client.get_registered_model("ahead").aliases == {"champion": 3}
    assert rollback("ahead", tracking_uri=store, reason="no").version == "2"


def test_an_alias_moved_in_mlflow_s_page_is_what_counts_and_is_recorded(store):
    client = make_versions(store, "moved", 3)
    give_first_alias(client, "moved", "1", now=MARCH)
    promote("moved", "2", tracking_uri=store, reason="better", now=MARCH + DAY)
    client.set_registered_model_alias("moved", "champion", "3")
    history = alias_history("moved", tracking_uri=store, now=MARCH + 2 * DAY)
    assert champion_on(history, MARCH + 2 * DAY).version == "3"
    assert champion_on(history, MARCH + 1.5 * DAY).version == "2"
    moves = notice_moves("moved", tracking_uri=store, now=MARCH + 2 * DAY)
    assert [(m.alias, m.version, m.previous) for m in moves] == [("champion", "3", "2")]
    assert notice_moves("moved", tracking_uri=store, now=MARCH + 3 * DAY) == []
    assert alias_history("moved", tracking_uri=store) == history
    page = client.get_registered_model("moved").description
    assert "**In production: version 3**" in page and "moved by somebody else" in page
    change = rollback("moved", tracking_uri=store, reason="not ours", now=MARCH + 4 * DAY)
    assert (change.version, change.previous) == ("2", "3")


def test_a_rollback_notices_a_move_by_itself_and_a_free_alias_goes_to_the_last_champion(store):
    client = make_versions(store, "freed", 3)
    give_first_alias(client, "freed", "1", now=MARCH)
    promote("freed", "2", tracking_uri=store, reason="better", now=MARCH + DAY)
    client.delete_registered_model_alias("freed", "champion")
    assert rollback("freed", tracking_uri=store, reason="x", now=MARCH + 2 * DAY).version == "2"
    assert [c.version for c in alias_history("freed", tracking_uri=store)] == ["1", "2", None, "2"]
    client.set_registered_model_alias("freed", "champion", "1")
    with pytest.raises(DataError, match="1 was the first champion; .* chosen by to=<version>: 2"):
        rollback("freed", tracking_uri=store, reason="x", now=MARCH + 3 * DAY)
    chosen = rollback("freed", tracking_uri=store, reason="x", to="2", now=MARCH + 4 * DAY)
    assert chosen.version == "2"


def test_a_rollback_skips_champions_that_were_deleted(store):
    client = make_versions(store, "deleted", 3)
    give_first_alias(client, "deleted", "1", now=MARCH)
    for number, version in enumerate(("2", "3"), start=1):
        promote("deleted", version, tracking_uri=store, reason="better", now=MARCH + number * DAY)
    client.delete_model_version("deleted", "2")
    assert rollback("deleted", tracking_uri=store, reason="x", now=MARCH + 4 * DAY).version == "1"


def test_records_without_numbers_come_first_in_the_order_of_their_times(store):
    client = make_versions(store, "old", 2)
    for time, version in (("2020-01-07T00:00:00.000000", "1"), ("2020-02-07T00:00:00.000000", "2")):
        change = json.dumps(asdict(make_change(time, version)))
        client.set_registered_model_tag("old", f"alias_change.{time}", change)
    client.set_registered_model_alias("old", "champion", "2")
    assert rollback("old", tracking_uri=store, reason="x", now=MARCH).version == "1"
    assert [c.version for c in alias_history("old", tracking_uri=store)] == ["1", "2", "1"]


def test_moves_of_a_model_that_is_not_there_are_none(store):
    assert notice_moves("nobody", tracking_uri=store) == []


def test_a_declined_first_version_is_not_champion(store):
    client = make_versions(store, "declined", 1)
    give_first_alias(client, "declined", "1", may_be_champion=False, now=MARCH)
    assert client.get_registered_model("declined").aliases == {"challenger": 1}


def test_rollback_returns_to_the_champion_before_and_a_second_one_goes_further(store):
    client = make_versions(store, "back", 3)
    give_first_alias(client, "back", "1", now=MARCH)
    for number, version in enumerate(("2", "3"), start=1):
        promote("back", version, tracking_uri=store, reason="better", now=MARCH + number * DAY)
    change = rollback("back", tracking_uri=store, reason="storms missed", now=MARCH + 3 * DAY)
    assert (change.version, change.previous) == ("2", "3")
    assert change.reason == "rollback: storms missed"
    assert client.get_registered_model("back").aliases == {"champion": 2}
    assert "storms missed" in client.get_model_version("back", "3").tags["withdrawn"]
    assert rollback("back", tracking_uri=store, reason="again", now=MARCH + 4 * DAY).version == "1"
    with pytest.raises(DataError, match="version 1 was the first champion"):
        rollback("back", tracking_uri=store, reason="again", now=MARCH + 5 * DAY)
    history = alias_history("back", tracking_uri=store)
    assert champion_on(history, MARCH + 2.5 * DAY).version == "3"
    chosen = rollback("back", tracking_uri=store, reason="no", to="3", now=MARCH + 5 * DAY)
    assert chosen.version == "3"


def test_a_rollback_that_cannot_be_is_refused(store):
    client = make_versions(store, "refused", 3)
    with pytest.raises(DataError, match="refused has no champion"):
        rollback("refused", tracking_uri=store, reason="x")
    give_first_alias(client, "refused", "1", now=MARCH)
    promote("refused", "2", tracking_uri=store, reason="better", now=MARCH)
    with pytest.raises(DataError, match="3 is no earlier champion of refused; those are: 1"):
        rollback("refused", tracking_uri=store, reason="x", to="3")
    with pytest.raises(DataError, match="found no reason for the rollback"):
        rollback("refused", tracking_uri=store, reason=" ")


def test_a_model_that_is_not_there_has_no_history(store):
    assert alias_history("nobody", tracking_uri=store) == []
