import pytest

from met2net.data.variable_definitions import define_all
from pipelines.errors import DataError
from pipelines.fields.implausible import KINDS, Finding, check_accept, refuse_unless_accepted

ZEROS = Finding("total_precipitation", "zero_fields", "total_precipitation is 0")


def test_a_finding_refuses_unless_the_setting_names_variable_and_kind():
    with pytest.raises(DataError, match=r"tion is 0\. If it is right all the same: data\.accept="
                       r"\[tp:zero_fields\]"):  # fmt: skip
        refuse_unless_accepted([ZEROS], ("tcc:zero_fields", "tp:other_unit"))
    assert refuse_unless_accepted([ZEROS], ("tp:zero_fields",)) == [
        "tp:zero_fields: total_precipitation is 0"
    ]
    assert refuse_unless_accepted([], ("tp:zero_fields",)) == []


def test_settings_are_checked_sorted_and_kept_once():
    assert check_accept([]) == ()
    assert check_accept(["tp:zero_fields", "sst:mean_jump", "tp:zero_fields"]) == (
        "sst:mean_jump", "tp:zero_fields",
    )  # fmt: skip
    for wrong in ("tp", "zero_fields", "tp:zeros", "rain:zero_fields", "tp:zero_fields:x"):
        with pytest.raises(ValueError, match=f"accept has '{wrong}'; expected a variable's label"):
            check_accept([wrong])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_can_be_accepted(kind):
    assert check_accept([f"t2m:{kind}"]) == (f"t2m:{kind}",)


def test_a_definition_is_accepted_by_its_label():
    with pytest.raises(ValueError, match="accept has 'blh:zero_fields'"):
        check_accept(["blh:zero_fields"])
    define_all({"boundary_layer_height": {"label": "blh", "units": "m", "valid_range": [0, 1e4]}})
    assert check_accept(["blh:zero_fields"]) == ("blh:zero_fields",)
    found = Finding("boundary_layer_height", "zero_fields", "boundary_layer_height is 0")
    assert found.setting == "blh:zero_fields"
