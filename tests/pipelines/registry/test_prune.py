from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.registry.aliases import alias_history, give_first_alias, promote
from pipelines.registry.prune import PruneRule, prunable, prune
from pipelines.registry.versions import RegisteredVersion, list_versions, version_of_month
from pipelines.tracking.mlflow_quiet import mlflow

NOW = datetime(2020, 12, 31, tzinfo=UTC)


def make_version(number: int, *, age: float = 365, **changes: object) -> RegisteredVersion:
    values = {
        "version": str(number),
        "registered_at": NOW - timedelta(days=age),
        "aliases": (),
        "was_champion": False,
        "tags": {},
    }
    return RegisteredVersion(**(values | changes))


def test_champions_of_any_time_aliases_new_and_young_ones_stay():
    versions = [
        make_version(1, was_champion=True),
        make_version(2),
        make_version(3, aliases=("challenger",)),
        make_version(4, age=10),
        make_version(5),
        make_version(6),
    ]
    chosen = prunable(versions, PruneRule(keep_newest=1, keep_days=30), now=NOW)
    assert [v.version for v in chosen] == ["2", "5"]


def test_nothing_newer_is_kept_where_the_rule_says_so():
    chosen = prunable([make_version(1), make_version(2)], PruneRule(0, 0), now=NOW)
    assert [v.version for v in chosen] == ["1", "2"]


@pytest.mark.parametrize("changes", [{"keep_newest": -1}, {"keep_days": float("nan")}])
def test_a_rule_out_of_range_is_refused(changes):
    with pytest.raises(ValueError, match="expected at least 0"):
        PruneRule(**changes)


def test_pruning_takes_weights_and_versions_and_leaves_the_record(tmp_path: Path):
    store = f"sqlite:///{tmp_path}/mlflow.db"
    client = mlflow.MlflowClient(tracking_uri=store)
    client.create_registered_model("demo")
    for number in range(1, 5):
        folder = tmp_path / f"model-{number}"
        folder.mkdir()
        (folder / "weights").touch()
        tags = {"registered_at": f"2020-0{number}-07T00:00:00+00:00", "month": f"2020-0{number}",
                "test.normalized_rmse": "0.5"}  # fmt: skip
        client.create_model_version("demo", source=folder.as_uri(), tags=tags)
        give_first_alias(client, "demo", str(number), now=datetime(2020, number, 7, tzinfo=UTC))
    promote("demo", "3", tracking_uri=store, reason="better", now=datetime(2020, 5, 1, tzinfo=UTC))
    history = alias_history("demo", tracking_uri=store)
    rule = PruneRule(keep_newest=1, keep_days=30)
    would = prune("demo", rule, tracking_uri=store, now=NOW, dry_run=True)
    assert [v.version for v in would] == ["2"] and (tmp_path / "model-2").exists()
    assert would[0].score == 0.5
    done = prune("demo", rule, tracking_uri=store, now=NOW)
    assert [v.version for v in done] == ["2"]
    assert sorted(p.name for p in tmp_path.glob("model-*")) == ["model-1", "model-3", "model-4"]
    assert [v.version for v in list_versions("demo", tracking_uri=store)] == ["1", "3", "4"]
    assert alias_history("demo", tracking_uri=store) == history
    assert prune("demo", rule, tracking_uri=store, now=NOW) == []
    assert version_of_month("demo", "2020-03", tracking_uri=store).version == "3"
    assert version_of_month("demo", "2020-02", tracking_uri=store) is None


def test_a_model_that_is_not_there_has_no_versions(tmp_path: Path):
    assert list_versions("nobody", tracking_uri=f"sqlite:///{tmp_path}/mlflow.db") == []
