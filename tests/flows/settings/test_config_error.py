import pytest
from hydra.errors import InstantiationException

from flows.settings.config_error import ConfigError, one_line, refusing_wrong_settings


@pytest.mark.parametrize("kind", [ValueError, TypeError, ZeroDivisionError, FileNotFoundError])
def test_what_a_wrong_value_raises_becomes_one_line(kind):
    with pytest.raises(ConfigError, match=r"^depth is -1; expected at least 1$") as error:
        with refusing_wrong_settings():
            raise kind("depth is -1;\n  expected at least 1")
    assert isinstance(error.value.__cause__, kind)


def test_a_class_s_own_words_come_before_hydra_s():
    with pytest.raises(ConfigError, match=r"^seed is 'a'$"), refusing_wrong_settings():
        raise InstantiationException("Error in call to target") from ValueError("seed is 'a'")
    with pytest.raises(ConfigError, match=r"^Error in call"), refusing_wrong_settings():
        raise InstantiationException("Error in call to target")


def test_a_refusal_from_inside_passes_as_it_is():
    inner = ConfigError("now is 'soon'")
    with pytest.raises(ConfigError) as error, refusing_wrong_settings():
        raise inner
    assert error.value is inner


def test_mistakes_of_the_code_are_not_told_as_the_user_s():
    with pytest.raises(AssertionError), refusing_wrong_settings():
        raise AssertionError("never")


def test_a_missing_part_says_so():
    assert one_line(KeyError("grid")).startswith("settings lack a part")
    assert one_line(ValueError("")) == "ValueError"
