import pytest

from flows.console.run_name import name_from_overrides


@pytest.mark.parametrize(
    ("overrides", "name"),
    [
        (["seed=1", "experiment=demo"], "demo seed=1"),
        (
            ["experiment=demo", "workspace=/tmp/w", "tracking.uri=http://h", "archive=s3://b"],
            "demo",
        ),
        (["source=cds"], "source=cds"),
        ([], "defaults"),
    ],
)
def test_a_run_is_named_by_what_was_asked_for(overrides, name):
    assert name_from_overrides(overrides) == name


def test_a_long_name_is_cut():
    name = name_from_overrides(["experiment=demo", *(f"key{n}=1" for n in range(50))])
    assert len(name) == 60 and name.startswith("demo key0=1") and name.endswith(" ...")
