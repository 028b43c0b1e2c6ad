import pytest

from flows.registry import registry
from flows.settings.config import load_experiment
from flows.settings.config_error import ConfigError
from flows.settings.model_name import model_name


@pytest.mark.parametrize("name", ["met2net-mumbai_monthly", "Höhe 2.1", "9"])
def test_letters_digits_blanks_and_some_signs_make_a_name(name: str) -> None:
    assert model_name(name) == name


@pytest.mark.parametrize("name", ["a'b", 'a"b', "a/b", "", "a%b", "..", " a", None, 9])
def test_a_name_that_would_end_a_search_text_or_be_a_path_is_refused(name: object) -> None:
    with pytest.raises(ValueError, match="tracking.registered_model is .*; expected letters"):
        model_name(name)


@pytest.mark.parametrize("read", [load_experiment, registry.fn])
def test_settings_with_such_a_name_are_refused(read) -> None:
    with pytest.raises(ConfigError, match="tracking.registered_model is .*; expected letters"):
        read(["experiment=demo", r"tracking.registered_model='a\'b'"])
