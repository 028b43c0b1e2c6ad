from pathlib import Path

import numpy as np
import psutil
import pytest
import zarr

from met2net.data import stored_means
from met2net.data.climatology import Climatology
from met2net.data.stored_means import StoredMeans

SHAPE = (366, 4, 3, 6, 5)


def write(path: Path, *, shape=SHAPE, chunk=(1, 2), dtype="float32", compressors=None) -> Path:
    array = zarr.create_array(
        path, shape=shape, chunks=(*shape[:2], *chunk, shape[4]), dtype=dtype,
        compressors=compressors, filters=None,
    )  # fmt: skip
    array[:] = np.random.default_rng(0).normal(size=shape)
    return path


@pytest.mark.parametrize("chunk", [(3, 6), (1, 2), (2, 4)])
@pytest.mark.parametrize("most_maps", [512, 2])
def test_fields_are_those_of_the_array_in_memory(tmp_path: Path, monkeypatch, chunk, most_maps):
    monkeypatch.setattr(stored_means, "_MOST_MAPS", most_maps)
    path = write(tmp_path / "climatology", chunk=chunk)
    in_memory = Climatology(np.asarray(zarr.open_array(path, mode="r")[:]))
    stored = Climatology(StoredMeans.open(path))
    hours = 438_288 + 6 * np.random.default_rng(1).integers(0, 4 * 366, size=40)
    np.testing.assert_array_equal(stored.at(hours), in_memory.at(hours))
    assert stored.description == in_memory.description


def test_opening_reads_nothing_and_looking_up_reads_a_few_fields(tmp_path: Path):
    # An hourly climatology of 4 channels on 128 x 128 points: 2.3 GB, without room on the disk.
    shape = (366, 24, 4, 128, 128)
    file = tmp_path / "c" / "0" / "0" / "0" / "0" / "0"
    file.parent.mkdir(parents=True)
    with file.open("wb") as empty:
        empty.truncate(4 * int(np.prod(shape)))
    process = psutil.Process()
    before = process.memory_info().rss
    climatology = Climatology(StoredMeans(tmp_path, shape=shape, chunk=(4, 128)))
    assert process.memory_info().rss - before < 2**20
    fields = climatology.at(np.arange(438_288, 438_300))
    assert fields.shape == (12, 4, 128, 128) and not fields.any()
    assert process.memory_info().rss - before < 64 * 2**20


def test_a_chunk_that_is_absent_or_cut_off_is_refused(tmp_path: Path):
    path = write(tmp_path / "climatology")
    chunk = path / "c" / "0" / "0" / "1" / "2" / "0"
    chunk.write_bytes(chunk.read_bytes()[:-4])
    with pytest.raises(ValueError, match="1/2/0 has 58556 bytes; expected 58560, a whole chunk"):
        StoredMeans.open(path)
    chunk.unlink()
    with pytest.raises(ValueError, match="1/2/0 has 0 bytes; expected 58560, a whole chunk"):
        StoredMeans.open(path)


def test_another_layout_is_refused(tmp_path: Path):
    double = write(tmp_path / "double", dtype="float64")
    packed = write(tmp_path / "packed", compressors="auto")
    for path, what in ((double, "dtype float64, codecs none"), (packed, "codecs .'ZstdCodec'.")):
        with pytest.raises(ValueError, match=f"has .*{what}.*build it again"):
            StoredMeans.open(path)
