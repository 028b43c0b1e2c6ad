from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.fingerprint import fingerprint, to_plain


@dataclass(frozen=True)
class Small:
    a: int
    b: tuple[str, ...]


@dataclass(frozen=True)
class Other:
    a: int
    b: tuple[str, ...]


def test_equal_settings_have_equal_fingerprints() -> None:
    assert fingerprint(Small(1, ("x",))) == fingerprint(Small(1, ("x",)))
    assert fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})


def test_any_difference_changes_the_fingerprint() -> None:
    prints = {
        fingerprint(Small(1, ("x",))),
        fingerprint(Small(2, ("x",))),
        fingerprint(Small(1, ("x", "y"))),
        fingerprint(Other(1, ("x",))),
        fingerprint(Small(1, ("x",)), 0),
    }
    assert len(prints) == 5


def test_plain_values_keep_their_meaning() -> None:
    plain = to_plain({"p": Path("a/b"), "s": Small(1, ("x",)), "n": None})
    assert plain == {"p": "a/b", "s": {"class": "Small", "a": 1, "b": ["x"]}, "n": None}


def test_what_has_no_exact_form_is_refused() -> None:
    with pytest.raises(TypeError, match="cannot fingerprint a set"):
        fingerprint({1, 2})
    with pytest.raises(ValueError, match="not JSON compliant"):
        fingerprint(float("nan"))
