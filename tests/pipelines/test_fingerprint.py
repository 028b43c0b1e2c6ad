from dataclasses import dataclass
from pathlib import Path

import pytest

from pipelines.fingerprint import file_sha256, fingerprint, to_plain


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


def test_a_class_of_ours_may_move_and_another_s_class_of_that_name_is_another() -> None:
    def named(target: str) -> str:
        return fingerprint({"network": {"_target_": target, "size": 1}})

    assert named("met2net.models.met2net.Met2Net") == named("met2net.networks.Met2Net")
    assert named("pipelines.period.Period.parse") == named("pipelines.base.period.Period.parse")
    assert named("met2net.data.windows.WindowSpec.regular") != named(
        "met2net.data.windows.WindowSpec.listed"
    )
    assert named("mine.Met2Net") != named("met2net.models.met2net.Met2Net")
    assert named("pipelines.a.sequence_splits") == named("pipelines.b.c.sequence_splits")


def test_a_file_s_hash_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")
    # FIPS 180-2, appendix B.1.
    assert file_sha256(tmp_path / "abc").startswith("ba7816bf8f01cfea414140de5dae2223")
