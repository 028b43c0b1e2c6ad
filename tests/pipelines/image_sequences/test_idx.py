import gzip
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.image_sequences.idx import find_idx, read_idx_images
from tests.pipelines.image_sequences.image_files import make_images, write_idx

IMAGES = make_images(3, seed=0)


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_images_come_back_compressed_or_not(tmp_path: Path, name: str):
    write_idx(tmp_path / name, IMAGES)
    np.testing.assert_array_equal(read_idx_images(find_idx(tmp_path, "images")), IMAGES)


def test_an_absent_file_is_named(tmp_path: Path):
    with pytest.raises(DataError, match="found neither images nor images.gz in"):
        find_idx(tmp_path, "images")


def test_a_damaged_file_is_refused(tmp_path: Path):
    path = tmp_path / "images.gz"
    write_idx(path, IMAGES)
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    with pytest.raises(DataError, match="is no whole gzip file"):
        read_idx_images(path)
    path.write_bytes(b"not gzip at all")
    with pytest.raises(DataError, match="is no whole gzip file"):
        read_idx_images(path)
    path.write_bytes(gzip.compress(gzip.decompress(whole)[:-1]))
    with pytest.raises(DataError, match=r"has 2367 bytes; expected 2368 for 3 images of 28 x 28"):
        read_idx_images(path)
    path.write_bytes(gzip.compress(b"short"))
    with pytest.raises(DataError, match="has 5 bytes; expected a header of 16"):
        read_idx_images(path)


def test_labels_in_place_of_images_are_refused(tmp_path: Path):
    write_idx(tmp_path / "labels", IMAGES, magic=0x0801)
    with pytest.raises(DataError, match="starts with 0x00000801; expected 0x00000803, IDX images"):
        read_idx_images(tmp_path / "labels")
