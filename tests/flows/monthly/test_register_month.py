import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.monthly.register_month import finish_decision
from flows.settings.monthly import MonthlySettings, load_monthly
from pipelines.registry.aliases import alias_history, give_first_alias, rollback
from pipelines.registry.versions import RegisteredVersion, version_of_month
from pipelines.tracking.mlflow_quiet import mlflow

NAME = "met2net-mumbai_monthly"
NOW = datetime(2020, 3, 7, 0, 0, 1, 250_000, tzinfo=UTC)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> MonthlySettings:
    """A champion of January, and challengers of later months whose decision was interrupted."""
    folder = tmp_path_factory.mktemp("workspace")
    settings = load_monthly(["experiment=mumbai_monthly", f"workspace={folder}"])
    client = mlflow.MlflowClient(tracking_uri=settings.experiment.tracking_uri)
    client.create_registered_model(NAME)
    for month, word in (("2020-01", "promoted"), ("2020-02", "promoted"), ("2020-03", "declined")):
        tags = {"month": month, "decision": word, "reasons": json.dumps(["3 % better", "surely"])}
        version = client.create_model_version(NAME, source=Path(folder).as_uri(), tags=tags)
        give_first_alias(client, NAME, str(version.version), now=NOW)
    return settings


def of_month(settings: MonthlySettings, month: str) -> RegisteredVersion:
    found = version_of_month(NAME, month, tracking_uri=settings.experiment.tracking_uri)
    assert found is not None
    return found


def history(settings: MonthlySettings) -> list[tuple[str, str | None]]:
    changes = alias_history(NAME, tracking_uri=settings.experiment.tracking_uri)
    return [(change.alias, change.version) for change in changes]


def test_an_interrupted_decision_is_carried_out_once_and_survives_a_rollback(
    settings: MonthlySettings,
) -> None:
    before = history(settings)
    for month in ("2020-01", "2020-03"):
        finish_decision(settings, of_month(settings, month), now=NOW)
    assert history(settings) == before  # was champion; is declined
    finish_decision(settings, of_month(settings, "2020-02"), now=NOW)
    assert history(settings) == [*before, ("champion", "2")]
    uri = settings.experiment.tracking_uri
    assert alias_history(NAME, tracking_uri=uri)[-1].reason == "2020-02: 3 % better; surely"
    later = NOW + timedelta(days=1)
    rollback(NAME, tracking_uri=uri, reason="misses storms", now=later)
    finish_decision(settings, of_month(settings, "2020-02"), now=later)
    assert history(settings) == [*before, ("champion", "2"), ("champion", "1")]
