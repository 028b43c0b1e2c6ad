from pipelines.registry.alias_change import AliasChange
from pipelines.registry.description import describe_model


def change(month: int, alias: str, version: str | None, previous: str | None = None,
           reason: str = "3 % better; surely") -> AliasChange:  # fmt: skip
    return AliasChange(f"2020-{month:02d}-07T06:00:00+00:00", alias, version, previous, reason)


def test_the_page_says_what_is_in_production_since_when_and_why():
    text = describe_model("weather", [change(1, "champion", "1"), change(2, "champion", "2", "1")])
    assert "**In production: version 2**, since 2020-02-07 06:00 UTC: 3 % better; surely." in text
    assert "`models:/weather@champion`" in text
    rows = [line for line in text.splitlines() if line.startswith("| 2020")]
    assert rows[0] == "| 2020-02-07 06:00 | champion | 2 | 1 | 3 % better; surely |"  # newest first
    assert rows[1].startswith("| 2020-01-07 06:00 | champion | 1 | – |")


def test_without_a_champion_it_says_so():
    assert "In production: none yet." in describe_model("weather", [change(1, "challenger", "1")])
    freed = [change(1, "champion", "1"), change(2, "champion", None, "1")]
    assert "In production: none yet." in describe_model("weather", freed)


def test_reasons_break_no_table_and_a_long_history_stays_below_mlflow_s_limit():
    many = [change(1 + n % 12, "champion", str(n), reason="a|b\nc " * 200) for n in range(500)]
    text = describe_model("weather", many)
    assert len(text) < 5000
    assert "480 earlier changes" in text
    assert all(line.count("|") == 6 for line in text.splitlines() if line.startswith("| 2020"))
