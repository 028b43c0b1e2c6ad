import logging

import pytest

from flows.console.stage_logs import STAGE_LOGGERS, show_stage_logs
from flows.stages.stage import stage


def test_a_stage_is_an_uncached_task_that_logs_how_long_its_own_work_took(
    caplog: pytest.LogCaptureFixture,
) -> None:
    @stage("add", retries=2)
    def add(first: int, second: int = 1) -> int:
        """Add."""
        return first + second

    assert (add.name, add.task_run_name, add.retries) == ("add", "add", 2)
    assert not add.persist_result and add.__doc__ == "Add."
    with caplog.at_level(logging.INFO, logger="flows.stages.stage"):
        assert add.fn(2, second=3) == 5
    assert [record.getMessage() for record in caplog.records] == ["add: 0.00 s"]


def test_a_stage_that_fails_says_how_long_it_took(caplog: pytest.LogCaptureFixture) -> None:
    @stage("break")
    def fail() -> None:
        raise ValueError("no")

    with (
        caplog.at_level(logging.INFO, logger="flows.stages.stage"),
        pytest.raises(ValueError, match="no"),
    ):
        fail.fn()
    assert caplog.messages == ["break: 0.00 s"]


def test_the_stages_loggers_let_their_lines_through() -> None:
    before = {name: logging.getLogger(name).level for name in STAGE_LOGGERS}
    try:
        show_stage_logs()
        assert all(logging.getLogger(f"{name}.x").isEnabledFor(20) for name in STAGE_LOGGERS)
    finally:
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
