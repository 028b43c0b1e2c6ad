from datetime import UTC, datetime

import pytest

from flows.settings.config_error import ConfigError
from flows.settings.monthly import load_monthly, read_moment
from pipelines.period import Period

SMALL = ["experiment=mumbai_monthly"]


def test_the_clock_is_read_as_utc():
    noon = datetime(2026, 3, 7, 12, tzinfo=UTC)
    assert read_moment("2026-03-07T12:00") == noon
    assert read_moment("2026-03-07T17:30+05:30") == noon
    assert load_monthly([*SMALL, "now=2026-03-07T12:00"]).now == noon
    assert load_monthly(SMALL).now is None


def test_a_month_s_folder_follows_the_science_and_not_the_rule_or_the_clock():
    folder = load_monthly(SMALL).month_folder("2020-01")
    for same in ("now=2020-01-01", "promotion.margin=0.1", "drift.mean_shift=2",
                 "evaluation.split=validation", "+models.tau=${models.met2net}"):  # fmt: skip
        assert load_monthly([*SMALL, same]).month_folder("2020-01") == folder
    for other in ("training.max_epochs=9", "rolling.test_months=1", "start=scratch", "seed=1"):
        assert load_monthly([*SMALL, other]).month_folder("2020-01") != folder


def test_replay_has_a_workspace_and_a_registered_model_of_its_own():
    monthly, replay = load_monthly(SMALL), load_monthly(SMALL, config="replay")
    assert replay.experiment.workspace != monthly.experiment.workspace
    assert replay.experiment.registered_model == "met2net-mumbai_monthly-replay"
    assert replay.months is None
    chosen = load_monthly([*SMALL, "replay.months=2017-02/2017-05"], config="replay")
    assert chosen.months == Period("2017-02", "2017-05")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("start=zero", "start is 'zero'; expected champion or scratch"),
        ("now=soon", "now is 'soon'; expected a moment in UTC"),
        ("promotion.confidence=2", "confidence is 2; expected between 0 and 1"),
        ("promotion.metric=normalized_rmse/sst", "expected normalized_rmse or one of"),
        ("promotion.yardstick=luck", "yardstick is 'luck'; expected null or one of persistence"),
        ("rolling.test_months=0", "test_months is 0; expected at least 1"),
        ("arrival.delay_days=-1", "expected 0 <= delay_days"),
        ("promotion.marge=1", "no setting 'marge'|marge"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line(override, message):
    with pytest.raises(ConfigError, match=message) as error:
        load_monthly([*SMALL, override])
    assert "\n" not in str(error.value)


def test_a_wrong_period_of_a_replay_is_told_in_one_line():
    with pytest.raises(
        ConfigError,
        match="cannot read 'spring' as a time; expected a full hour, day, month or year",
    ):
        load_monthly([*SMALL, "replay.months=spring"], config="replay")


def test_images_do_not_arrive_month_by_month():
    with pytest.raises(ConfigError, match="data.form is 'image_sequences'; expected weather"):
        load_monthly(["experiment=mvmmfnist", "source=generated_images"])
