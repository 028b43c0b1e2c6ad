"""A training set that was damaged after it was built is refused; an old one without sums passes."""

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest

from pipelines.archive.state import ArchiveState
from pipelines.errors import DataError
from pipelines.period import Period
from pipelines.training_sets import checksums
from pipelines.training_sets import tasks as training_set_tasks
from pipelines.training_sets.checksums import checksum_file, damaged_files
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.pipelines.small_project import VARIABLES, make_archive
from tests.pipelines.training_sets.test_prepare_killed import contents

SETTINGS = TrainingSetSettings(
    VARIABLES,
    Splits(
        Period("2016-01-01", "2016-01-06"),
        Period("2016-01-07", "2016-01-08"),
        Period("2016-01-09", "2016-01-10"),
    ),
)


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ArchiveState:
    return make_archive(tmp_path_factory.mktemp("archive"))


def test_one_flipped_bit_is_found_and_a_new_build_mends_it(
    archive: ArchiveState, tmp_path: Path
) -> None:
    store = build_training_set(archive, SETTINGS, folder=tmp_path)
    sound = contents(store)
    assert damaged_files(store) == []
    chunk = store / "data" / "c" / "0" / "0" / "0" / "0"
    content = bytearray(chunk.read_bytes())
    content[100] ^= 1
    chunk.write_bytes(bytes(content))
    with pytest.raises(DataError, match=r"is damaged: found 1 files .*\(data/c/0/0/0/0\).*remove"):
        build_training_set(archive, SETTINGS, folder=tmp_path)
    for path in sorted(store.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    store.rmdir()
    assert contents(build_training_set(archive, SETTINGS, folder=tmp_path)) == sound


def test_for_a_day_only_what_has_changed_is_read_again(
    archive: ArchiveState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = build_training_set(archive, SETTINGS, folder=tmp_path)
    read: list[str] = []
    crc32 = checksums._crc32

    def note(path: Path) -> int:
        read.append(path.relative_to(store).as_posix())
        return crc32(path)

    monkeypatch.setattr(checksums, "_crc32", note)
    assert damaged_files(store) == []
    everything = sorted(read)
    assert "data/c/0/0/0/0" in everything
    read.clear()
    assert damaged_files(store) == [] and read == []
    chunk = store / "data" / "c" / "0" / "0" / "0" / "0"
    content = chunk.read_bytes()
    chunk.write_bytes(content)
    os.utime(chunk, ns=(0, 1))
    assert damaged_files(store) == [] and read == ["data/c/0/0/0/0"]
    record = store.with_suffix(".sound.json")
    for text in ('{"read_at', record.read_text().replace('"read_at": ', '"read_at": -')):
        record.write_text(text)  # cut; of long ago
        read.clear()
        assert damaged_files(store) == [] and sorted(read) == everything


def test_bits_that_change_without_a_time_are_found_the_next_day(
    archive: ArchiveState, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = build_training_set(archive, SETTINGS, folder=tmp_path)
    assert damaged_files(store) == []
    chunk = store / "data" / "c" / "0" / "0" / "0" / "0"
    content, times = bytearray(chunk.read_bytes()), chunk.stat()
    content[100] ^= 1
    chunk.write_bytes(bytes(content))
    os.utime(chunk, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert damaged_files(store) == []
    tomorrow = time.time() + 24 * 3600 + 1
    monkeypatch.setattr(checksums.time, "time", lambda: tomorrow)
    assert damaged_files(store) == ["data/c/0/0/0/0"]


def test_a_set_of_an_earlier_version_is_taken_as_it_is(
    archive: ArchiveState, tmp_path: Path
) -> None:
    store = build_training_set(archive, SETTINGS, folder=tmp_path)
    checksum_file(store).unlink()
    assert build_training_set(archive, SETTINGS, folder=tmp_path) == store
    checksum_file(store).write_bytes(b'{"data/c')  # cut
    with pytest.raises(DataError, match=r"is damaged: found 1 files .*\(.*crc32.json\); .*remove"):
        build_training_set(archive, SETTINGS, folder=tmp_path)


def test_a_disk_without_room_for_a_map_is_an_error_and_no_signal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    made = training_set_tasks._new_map(tmp_path / "a", (2, 3))
    made[:] = 1
    assert np.fromfile(tmp_path / "a", "<f4").tolist() == [1.0] * 6
    monkeypatch.setattr(training_set_tasks.os, "posix_fallocate", full)
    with pytest.raises(OSError, match="No space left"):
        training_set_tasks._new_map(tmp_path / "b", (2, 3))


def test_a_file_system_that_takes_no_room_in_advance_has_maps_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EOPNOTSUPP, "Operation not supported")

    monkeypatch.setattr(training_set_tasks.os, "posix_fallocate", refuse)
    made = training_set_tasks._new_map(tmp_path / "a", (2, 3))
    made[:] = 1
    assert np.fromfile(tmp_path / "a", "<f4").tolist() == [1.0] * 6
