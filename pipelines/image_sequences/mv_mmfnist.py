"""MvMmfnist: Moving MNIST with three channels on one trajectory, as the Met2Net paper has it."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np

from met2net.data.training_set import SPLITS
from pipelines.errors import DataError
from pipelines.fingerprint import file_sha256
from pipelines.image_sequences.idx import find_idx, read_idx_images
from pipelines.image_sequences.moving_objects import draw, trajectories
from pipelines.image_sequences.sequences import MOST_FRAMES, SequenceFiles

__all__ = ["MvMmfnist", "MvMmfnistReader"]

_FILES = {"train": "train-images-idx3-ubyte", "test": "t10k-images-idx3-ubyte"}
_SEEN_VALUE = 1  # brighter pixels are stroke where the third channel is binary


@dataclass(frozen=True)
class MvMmfnist:
    """Two objects a sequence; every object is an MNIST digit and a Fashion-MNIST piece.

    Channel `mnist` shows the digits, `fashion` the pieces of the same number in Fashion-MNIST
    at the same places, `inverted` the digits black on white. Training sequences are made of the
    training images, those of the validation split of a sixth of them that is kept for it, test
    sequences of the test images. A sequence follows from seed, split and number alone.

    Attributes:
        mnist_folder: with `train-images-idx3-ubyte` and `t10k-images-idx3-ubyte`, or `.gz`.
        fashion_folder: the same of Fashion-MNIST.
        seed: another seed, other sequences.
        third_channel: `inverted`: 255 less the first, as the paper says; `binary`: strokes made
            fully black first, as the released code does.
        num_frames: of a sequence.
        image_size: rows and columns.
        num_objects: in a sequence.

    Raises:
        ValueError: if a number is out of range, or there is no such third channel.
    """

    mnist_folder: str = field(compare=False)
    fashion_folder: str = field(compare=False)
    seed: int = 0
    third_channel: Literal["inverted", "binary"] = "inverted"
    num_frames: int = 20
    image_size: int = 64
    num_objects: int = 2

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.third_channel not in ("inverted", "binary"):
            raise ValueError(
                f"third_channel is {self.third_channel!r}; expected inverted or binary"
            )
        if not 7 <= self.num_frames <= MOST_FRAMES:
            raise ValueError(f"num_frames is {self.num_frames}; expected 7 to {MOST_FRAMES}")
        for name, least in (("seed", 0), ("image_size", 28), ("num_objects", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least {least}")

    @property
    def name(self) -> str:
        """Short name for metadata."""
        return "mvmmfnist"

    @property
    def attribution(self) -> str | None:
        """Sentence that must be shown with the data."""
        return (
            "Made of MNIST (Y. LeCun and C. Cortes, CC BY-SA 3.0) and Fashion-MNIST "
            "(H. Xiao, K. Rasul and R. Vollgraf, Zalando SE, MIT licence)."
        )

    def files(self) -> SequenceFiles:
        """Hash the four files.

        Raises:
            DataError: if one is absent.
        """
        content = hashlib.sha256()
        for folder in (self.mnist_folder, self.fashion_folder):
            for name in _FILES.values():
                content.update(bytes.fromhex(file_sha256(find_idx(Path(folder), name))))
        return SequenceFiles(content.hexdigest()[:16])

    def open(self, counts: Mapping[str, int]) -> "MvMmfnistReader":
        """Read the images.

        Raises:
            DataError: if a file is damaged, or the two data sets do not match.
        """
        images = {}
        for split, name in _FILES.items():
            pair = [
                read_idx_images(find_idx(Path(folder), name))
                for folder in (self.mnist_folder, self.fashion_folder)
            ]
            if pair[0].shape != pair[1].shape:
                raise DataError(
                    f"{name} of MNIST has images {pair[0].shape}, that of Fashion-MNIST "
                    f"{pair[1].shape}; expected as many of one size"
                )
            images[split] = np.stack(pair, axis=1)  # (image, data set, row, column)
        largest = max(images["train"].shape[2:])
        if largest > self.image_size:
            raise DataError(f"images are {largest} wide; expected at most {self.image_size}")
        if counts.get("validation", 0):
            kept = len(images["train"]) // 6
            images["validation"] = images["train"][len(images["train"]) - kept :]
            images["train"] = images["train"][: len(images["train"]) - kept]
        empty = [split for split in counts if len(images[split]) == 0]
        if empty:
            raise DataError(f"found no images for split {empty[0]}; expected at least one")
        return MvMmfnistReader(self, images)


class MvMmfnistReader:
    """Makes sequences of the images of each split: see `SequenceReader`."""

    def __init__(self, source: MvMmfnist, images: Mapping[str, np.ndarray]) -> None:
        """Keep the images: split -> (image, data set, row, column)."""
        self.channels = ("mnist", "fashion", "inverted")
        self.num_frames = source.num_frames
        self.image_shape = (source.image_size, source.image_size)
        self._source = source
        self._images = images

    def read(self, split: str, numbers: range) -> np.ndarray:
        """Give sequences of a split, from 0 (black) to 1."""
        frames = np.stack([self._sequence(split, number) for number in numbers])
        return frames.astype(np.float32) / np.float32(255)

    def _sequence(self, split: str, number: int) -> np.ndarray:
        """Make one sequence: (frame, channel, row, column), uint8."""
        source, images = self._source, self._images[split]
        rng = np.random.default_rng([source.seed, SPLITS[split], number])
        chosen = images[rng.integers(len(images), size=source.num_objects)]
        corners = trajectories(
            rng,
            num_objects=source.num_objects,
            num_frames=source.num_frames,
            room=source.image_size - images.shape[-1],
        )
        digits, pieces = (draw(x, corners, size=source.image_size) for x in chosen.swapaxes(0, 1))
        black = digits
        if source.third_channel == "binary":
            black = np.where(digits > _SEEN_VALUE, np.uint8(255), np.uint8(0))
        return np.stack([digits, pieces, 255 - black], axis=1)
