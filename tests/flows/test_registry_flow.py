from datetime import UTC, datetime
from pathlib import Path

import pytest

from flows.registry import registry
from flows.settings.config_error import ConfigError
from pipelines.errors import DataError
from pipelines.registry.aliases import alias_history, give_first_alias, promote
from pipelines.tracking.mlflow_quiet import mlflow

NAME = "met2net-mumbai_monthly"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three versions: champion until March, champion since, declined."""
    folder = tmp_path_factory.mktemp("workspace")
    uri = f"sqlite:///{folder}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=uri)
    client.create_registered_model(NAME)
    for number in (1, 2, 3):
        (folder / f"model-{number}").mkdir()
        moment = datetime(2020, number + 1, 7, tzinfo=UTC)
        tags = {"month": f"2020-0{number}", "registered_at": moment.isoformat(),
                "decision": "promoted", "test.normalized_rmse": "0.5"}  # fmt: skip
        source = (folder / f"model-{number}").as_uri()
        client.create_model_version(NAME, source=source, tags=tags)
        give_first_alias(client, NAME, str(number), now=moment)
        if number == 2:
            promote(NAME, "2", tracking_uri=uri, reason="better by 3 %", now=moment)
    return folder


def ask(workspace: Path, *overrides: str) -> list[str]:
    """Run the flow's function, without Prefect's engine around it."""
    return registry.fn(["experiment=mumbai_monthly", f"workspace={workspace}", *overrides])


def test_versions_are_listed_with_month_score_and_alias(workspace: Path, capsys):
    assert ask(workspace) == ["1", "2", "3"]
    lines = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert lines[0] == ["1", "2020-02-07", "00:00", "2020-01", "0.5000", "promoted", "–", "was"]
    assert lines[1][-2:] == ["champion", "yes"] and lines[2][-2:] == ["challenger", "never"]


@pytest.mark.parametrize(
    ("date", "versions"),
    [("2020-02-06", []), ("2020-02-07", ["1"]), ("2020-03-06T23:59", ["1"]), ("2020-03-07", ["2"])],
)
def test_who_was_champion_on_a_date(workspace: Path, date, versions, capsys):
    assert ask(workspace, "action=champion", f"date={date}") == versions
    out = capsys.readouterr().out
    assert (f"version {versions[0]}, since" in out) if versions else ("no champion on" in out)


def test_who_is_champion_now(workspace: Path):
    assert ask(workspace, "action=champion", "now=2020-03-01") == ["1"]


def test_history_lists_every_change(workspace: Path, capsys):
    assert ask(workspace, "action=history") == ["1", "2", "2", "3"]
    assert "better by 3 %" in capsys.readouterr().out


def test_pruning_only_tells_unless_it_is_told_to(workspace: Path, capsys):
    more = ("action=prune", "prune.keep_newest=0", "prune.keep_days=0", "now=2021-01-01")
    assert ask(workspace, *more) == []  # champions of any time and the challenger stay
    assert "0 versions would be pruned (dry_run=false does it)" in capsys.readouterr().out


def test_rollback_is_one_command_that_needs_a_reason(workspace: Path, capsys):
    with pytest.raises(DataError, match="found no reason for the rollback"):
        ask(workspace, "action=rollback")
    told = ("action=rollback", "reason='misses storms'", "now=2020-05-01T12:00")
    assert ask(workspace, *told) == ["1"]
    assert "champion is version 1 again, in place of 2" in capsys.readouterr().out
    last = alias_history(NAME, tracking_uri=f"sqlite:///{workspace}/mlflow.db")[-1]
    assert last.reason == "rollback: misses storms" and last.time.startswith("2020-05-01T12:00")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["action=delete"], "action is 'delete'; expected one of: versions, history"),
        (["action=champion", "date=March"], "date is 'March'; expected a date or a moment"),
        (["action=prune", "prune.keep_days=-1"], "keep_days is -1; expected at least 0"),
        (["tracking.registered_model=nobody"], "found no registered model nobody in sqlite"),
    ],
)
def test_a_wrong_request_is_told_in_one_line(workspace: Path, overrides, message):
    with pytest.raises((ConfigError, DataError), match=message):
        ask(workspace, *overrides)


def test_list_page_and_champion_agree_after_a_move_in_mlflow_s_page(
    workspace: Path, capsys, monkeypatch
):
    monkeypatch.setenv("COLUMNS", "160")  # a row a line
    uri = f"sqlite:///{workspace}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=uri)
    client.set_registered_model_alias(NAME, "champion", "3")
    assert ask(workspace, "action=champion") == ["3"]
    assert "champion is version 3, no longer" in capsys.readouterr().out
    assert "**In production: version 3**" in client.get_registered_model(NAME).description
    ask(workspace)
    row = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("3 "))
    assert "champion" in row and row.split()[-1] == "yes"
    before = ask(workspace, "action=rollback", "reason=x")
    assert ask(workspace, "action=champion") == before != ["3"]
