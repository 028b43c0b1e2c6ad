import pytest

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
