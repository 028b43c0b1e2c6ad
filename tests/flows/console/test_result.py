import pytest
from rich.table import Table

from flows.console.result import result_console


def _table() -> Table:
    table = Table(*(f"a long heading {i}" for i in range(8)))
    table.add_row(*("value" for _ in range(8)))
    return table


def test_a_file_takes_a_wide_table_whole(monkeypatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    result_console().print(_table())
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 5 and "a long heading 7" in lines[1]


def test_columns_of_the_environment_count_more(monkeypatch, capsys) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    result_console().print(_table())
    assert max(map(len, capsys.readouterr().out.splitlines())) == 60
