import errno
import pickle
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.image_sequences.taxi_bj import TaxiBJ
from tests.pipelines.image_sequences.image_files import make_taxi

COUNTS = {"train": 9, "validation": 3, "test": 5}


def save(path: Path, arrays: dict[str, np.ndarray]) -> TaxiBJ:
    np.savez(path, **arrays)
    return TaxiBJ(str(path))


def test_inputs_and_targets_are_joined_and_brought_to_0_and_1(tmp_path: Path):
    arrays = make_taxi()
    reader = save(tmp_path / "taxi.npz", arrays).open(COUNTS)
    assert reader.num_frames == 8 and reader.image_shape == (8, 8)
    whole = {
        part: (np.concatenate([arrays[f"X_{part}"], arrays[f"Y_{part}"]], axis=1) + 1) / 2
        for part in ("train", "test")
    }
    for split, expected in (
        ("train", whole["train"][:9]), ("validation", whole["train"][9:]), ("test", whole["test"]),
    ):  # fmt: skip
        frames = reader.read(split, range(COUNTS[split]))
        assert frames.dtype == np.float32
        np.testing.assert_allclose(frames, expected, atol=1e-7)
        assert frames.min() >= 0 and frames.max() <= 1


def test_the_file_names_the_content(tmp_path: Path):
    one = save(tmp_path / "a.npz", make_taxi()).files()
    assert save(tmp_path / "b.npz", make_taxi(test=6)).files() != one
    with pytest.raises(DataError, match="found no file .*absent.npz"):
        TaxiBJ(str(tmp_path / "absent.npz")).files()


def without(name: str) -> dict[str, np.ndarray]:
    return {key: array for key, array in make_taxi().items() if key != name}


def changed(**arrays: np.ndarray) -> dict[str, np.ndarray]:
    return make_taxi() | arrays


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (without("Y_test"), "has X_train, Y_train, X_test; expected also Y_test"),
        (changed(X_test=np.zeros((5, 4, 2, 8))), r"has X_test \(5, 4, 2, 8\) float64; expected"),
        (changed(X_train=np.zeros((12, 4, 3, 8, 8))), r"has X_train \(12, 4, 3, 8, 8\)"),
        (changed(X_test=np.zeros((5, 3, 2, 8, 8))), r"sequences \(3, 2, 8, 8\) in X_test; exp"),
        (changed(X_train=np.zeros((11, 4, 2, 8, 8))), r"X_train \(11, .* expected pairs"),
        (changed(X_test=np.full((5, 4, 2, 8, 8), np.nan)), "X_test that are not finite"),
        ({k: 100 * v for k, v in make_taxi().items()}, "from -100 to 100; expected -1 to 1"),
        ({k: abs(v) for k, v in make_taxi().items()}, "expected -1 to 1, the usual scale"),
        ({k: v[:, :2] for k, v in make_taxi().items()}, "has 4 frames a sequence; expected 7 to"),
        (make_taxi(train=13), "has 13 sequences in X_train; expected 12"),
        (make_taxi(test=4), "has 4 sequences in X_test; expected 5"),
    ],
)
def test_other_content_is_refused(tmp_path: Path, arrays: dict[str, np.ndarray], message: str):
    with pytest.raises(DataError, match=message):
        save(tmp_path / "taxi.npz", arrays).open(COUNTS)


def test_pickles_and_damaged_files_are_refused_unread(tmp_path: Path):
    path = tmp_path / "taxi.npz"
    np.savez(path, **changed(X_train=np.array([{}], dtype=object)))
    with pytest.raises(DataError, match="as a plain npz file: Object arrays cannot be loaded"):
        TaxiBJ(str(path)).open(COUNTS)
    path.write_bytes(pickle.dumps(make_taxi()))
    with pytest.raises(DataError, match="as a plain npz file"):
        TaxiBJ(str(path)).open(COUNTS)
    np.savez(path, **make_taxi())
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(DataError, match="as a plain npz file"):
        TaxiBJ(str(path)).open(COUNTS)
    with open(path, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DataError, match="has no named array; expected also X_train"):
        TaxiBJ(str(path)).open(COUNTS)


def test_a_member_that_wants_a_password_is_refused(tmp_path: Path) -> None:
    source = save(tmp_path / "taxi.npz", make_taxi())
    content = bytearray((tmp_path / "taxi.npz").read_bytes())
    content[6] |= 1  # "encrypted", in the first member's header and in the directory
    content[content.index(b"PK\x01\x02") + 8] |= 1
    (tmp_path / "taxi.npz").write_bytes(content)
    with pytest.raises(DataError, match="as a plain npz file: .*password"):
        source.open(COUNTS)


def test_an_error_of_the_disk_is_not_taken_for_a_damaged_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = save(tmp_path / "taxi.npz", make_taxi())

    def fails(*_args: object, **_settings: object) -> None:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(np, "load", fails)
    with pytest.raises(OSError, match="Input/output error"):
        source.open(COUNTS)
