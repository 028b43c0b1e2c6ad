import json
from dataclasses import asdict

import pytest

from met2net.data import variables
from met2net.data.variable_definitions import Definition, define, define_all, definitions_of
from met2net.data.variables import (
    VARIABLES,
    channel,
    is_channel,
    known_variables,
    required_fields,
    variable,
    variable_of_grib,
)

VORTICITY = {
    "label": "vo", "units": "s-1", "valid_range": [-0.01, 0.01], "level_kind": "pressure",
    "standard_name": "atmosphere_relative_vorticity",
}  # fmt: skip
HEIGHT = {"label": "blh", "units": "m", "valid_range": [0, 15000]}


@pytest.fixture(autouse=True)
def nothing_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_ADDED", {})


def test_a_definition_makes_a_variable_known_by_all_its_names():
    define_all({"vorticity": VORTICITY, "boundary_layer_height": HEIGHT})
    assert channel("vo850").variable is variable("vorticity")
    assert (channel("vo850").level, channel("blh").level) == (850, None)
    assert variable_of_grib("vo") is variable("vorticity")
    assert variable("vorticity").long_name == "vorticity"
    assert variable("boundary_layer_height").long_name == "boundary layer height"
    assert variable("boundary_layer_height").attrs == {
        "units": "m", "long_name": "boundary layer height",
    }  # fmt: skip
    assert variable("vorticity").valid_range == (-0.01, 0.01)
    assert required_fields(["vo500", "t2m", "vo850"]) == {
        "vorticity": (500, 850), "2m_temperature": (),
    }  # fmt: skip
    assert len(known_variables()) == len(VARIABLES) + 2


def test_definitions_travel_as_plain_json_and_are_the_same_again():
    define_all({"vorticity": VORTICITY})
    plain = json.loads(json.dumps(definitions_of(["vorticity", "2m_temperature"])))
    assert list(plain) == ["vorticity"]
    before = variable("vorticity")
    define_all(plain)  # the same: nothing changes
    assert known_variables() == (*VARIABLES, before)
    assert definitions_of(["2m_temperature", "relative_humidity"]) == {}
    with pytest.raises(ValueError, match="unknown variable 'graupel'"):
        definitions_of(["graupel"])


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("vorticity", {"units": "1/s"}, "vorticity has name 'vorticity', which is that of vort"),
        ("other", {"label": "t2m", "level_kind": "surface"}, "label 't2m', which is that of 2m_te"),
        ("other", {"label": "x", "grib_short_name": "2t"}, "grib_short_name '2t', which is that"),
        ("2m_temperature", {"label": "x"}, "name '2m_temperature', which is that of 2m_temp"),
        ("other", {"label": "t850", "level_kind": "surface"}, "is temperature on a level"),
    ],
)
def test_names_of_other_variables_are_refused(name, changes, message):
    define_all({"vorticity": VORTICITY})
    with pytest.raises(ValueError, match=message):
        define_all({name: VORTICITY | changes})
    assert [known.name for known in known_variables()[len(VARIABLES) :]] == ["vorticity"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"label": "vo8"}, "label is 'vo8'; expected small letters$"),
        ({"label": "Vo", "level_kind": "surface"}, "expected small letters, digits and _"),
        ({"units": " "}, "units is empty"),
        ({"valid_range": [1, 1]}, "valid_range is .1, 1.; expected the smallest and the largest"),
        ({"valid_range": [0, float("inf")]}, "valid_range is"),
        ({"valid_range": [0, 1, 2]}, "valid_range is"),
    ],
)
def test_definitions_that_cannot_be_used_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Definition(**VORTICITY | changes)


def test_a_name_that_no_file_could_have_is_refused():
    with pytest.raises(ValueError, match="name is 'Vorticity 850'; expected small letters"):
        Definition(**VORTICITY).named("Vorticity 850")


@pytest.mark.parametrize(
    "table", [v for v in VARIABLES if not v.derived_from], ids=lambda table: table.name
)
def test_the_tables_own_variables_are_known_already_and_their_limits_stay(table):
    plain = asdict(table)
    name = plain.pop("name")
    del plain["derived_from"], plain["formula"]
    made = Definition(**plain).named(name)
    assert made == table
    define(made)
    assert known_variables() == VARIABLES
    with pytest.raises(ValueError, match=f"has name '{name}', which is that of"):
        define(Definition(**plain | {"valid_range": (-9, 9e9)}).named(name))


def test_labels_of_nothing_are_no_channels():
    assert not is_channel("vo850")
    assert not is_channel("blh")
