from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.image_sequences.mv_mmfnist import MvMmfnist
from tests.pipelines.image_sequences.image_files import make_images, write_idx, write_mnist

COUNTS = {"train": 6, "validation": 2, "test": 4}
REAL = Path(__file__).resolve().parents[4] / "shared" / "data"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("idx")
    write_mnist(folder)
    return folder


def source(folder: Path, **settings: object) -> MvMmfnist:
    return MvMmfnist(str(folder / "mnist"), str(folder / "fashion"), **settings)


def test_channels_share_the_trajectory_and_the_third_is_the_first_inverted(folder: Path):
    frames = source(folder).open(COUNTS).read("train", range(6))
    assert frames.shape == (6, 20, 3, 64, 64) and frames.dtype == np.float32
    np.testing.assert_allclose(frames[:, :, 2], 1 - frames[:, :, 0], atol=1e-7)
    # Blobs of both data sets fill the same rows and columns.
    seen = frames[:, :, :2] > 0
    np.testing.assert_array_equal(seen[:, :, 0].any(-1), seen[:, :, 1].any(-1))
    np.testing.assert_array_equal(seen[:, :, 0].any(-2), seen[:, :, 1].any(-2))


def test_pieces_are_those_of_the_same_number(folder: Path):
    """One object on a canvas of its own size does not move."""
    alone = source(folder, num_objects=1, image_size=28).open({"test": 4})
    mnist, fashion = make_images(10, seed=1), make_images(10, seed=11)
    for sequence in np.round(255 * alone.read("test", range(4))):
        assert (sequence == sequence[0]).all()
        (number,) = [i for i, image in enumerate(mnist) if (image == sequence[0, 0]).all()]
        np.testing.assert_array_equal(sequence[0, 1], fashion[number])


def test_a_binary_third_channel_has_black_strokes(folder: Path):
    frames = source(folder, third_channel="binary").open(COUNTS).read("train", range(3))
    assert set(np.unique(frames[:, :, 2])) == {0.0, 1.0}
    np.testing.assert_array_equal(frames[:, :, 2] == 0, np.round(255 * frames[:, :, 0]) > 1)


def test_sequences_follow_from_seed_split_and_number_alone(folder: Path):
    reader = source(folder).open(COUNTS)
    whole = reader.read("train", range(6))
    np.testing.assert_array_equal(reader.read("train", range(4, 6)), whole[4:])
    more = source(folder).open(COUNTS | {"train": 100}).read("train", range(6))
    np.testing.assert_array_equal(more, whole)
    assert not np.array_equal(reader.read("validation", range(1)), whole[:1])
    assert not np.array_equal(source(folder, seed=1).open(COUNTS).read("train", range(6)), whole)


def test_validation_images_are_not_trained_on(folder: Path):
    def images(split: str, counts: dict[str, int]) -> set[bytes]:
        still = source(folder, num_objects=1, image_size=28).open(counts)
        return {frame[0, 0].tobytes() for frame in still.read(split, range(60))}

    train, validation = (images(split, COUNTS) for split in ("train", "validation"))
    assert train and validation and not train & validation
    assert len(images("train", {"train": 60, "test": 1})) > len(train)  # all of them then


def test_the_files_name_the_content(folder: Path, tmp_path: Path):
    assert source(folder).files() == source(folder).files()
    write_mnist(tmp_path, test=11)
    assert source(tmp_path).files() != source(folder).files()
    with pytest.raises(DataError, match="found neither train-images-idx3-ubyte nor"):
        source(tmp_path / "absent").files()


def test_data_sets_that_do_not_match_are_refused(folder: Path, tmp_path: Path):
    write_mnist(tmp_path, suffix="")
    write_idx(tmp_path / "fashion" / "train-images-idx3-ubyte", make_images(5, seed=0))
    with pytest.raises(DataError, match=r"images \(24, 28, 28\), that of Fashion-MNIST \(5, 28"):
        source(tmp_path).open(COUNTS)


def test_too_few_or_too_large_images_are_refused(tmp_path: Path):
    write_mnist(tmp_path, train=5)
    with pytest.raises(DataError, match="found no images for split validation"):
        source(tmp_path).open(COUNTS)
    for data in ("mnist", "fashion"):
        for name in ("train-images-idx3-ubyte.gz", "t10k-images-idx3-ubyte.gz"):
            write_idx(tmp_path / data / name, make_images(6, seed=0, size=40))
    with pytest.raises(DataError, match="images are 40 wide; expected at most 32"):
        source(tmp_path, image_size=32).open(COUNTS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"third_channel": "red"}, "third_channel is 'red'; expected inverted or binary"),
        ({"num_frames": 24}, "num_frames is 24; expected 7 to 23"),
        ({"num_objects": 0}, "num_objects is 0; expected at least 1"),
        ({"image_size": 27}, "image_size is 27; expected at least 28"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, object], message: str):
    with pytest.raises(ValueError, match=message):
        MvMmfnist("a", "b", **settings)


@pytest.mark.skipif(not (REAL / "mnist").is_dir(), reason="needs ../shared/data/mnist")
def test_real_images_have_the_brightness_of_two_objects():
    """A digit of MNIST has mean 0.1307 on 28 x 28; two of them on 64 x 64, hardly overlapping."""
    real = MvMmfnist(str(REAL / "mnist"), str(REAL / "fashion-mnist"))
    frames = real.open({"train": 100, "test": 1}).read("train", range(100))
    share = 2 * 28**2 / 64**2
    first, second, third = frames.mean(axis=(0, 1, 3, 4))
    assert 0.9 < first / (share * 0.1307) < 1.05  # overlap takes a little
    assert 0.85 < second / (share * 0.2860) < 1.05
    assert third == pytest.approx(1 - first, abs=1e-5)
    assert (frames.min(), frames.max()) == (0, 1)
