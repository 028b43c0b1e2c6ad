"""Made-up image sequences: discs that move and bounce. No files are needed."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

import met2net
from met2net.data.training_set import SPLITS
from pipelines.image_sequences.moving_objects import draw, trajectories
from pipelines.image_sequences.sequences import MOST_FRAMES, SequenceFiles

__all__ = ["GeneratedReader", "GeneratedSequences"]


@dataclass(frozen=True)
class GeneratedSequences:
    """Two discs a sequence, each channel with discs of its own brightness, on black.

    Attributes:
        variables: group name -> labels of the channels.
        num_inputs: input frames.
        num_targets: target frames; a sequence has as many as both together.
        image_size: rows and columns.
        seed: another seed, other sequences.

    Raises:
        ValueError: if a number is out of range.
    """

    variables: Mapping[str, tuple[str, ...]]
    num_inputs: int
    num_targets: int
    image_size: int = 32
    seed: int = 0

    def __post_init__(self) -> None:
        """Check ranges."""
        if not 7 <= self.num_frames <= MOST_FRAMES:
            raise ValueError(f"found {self.num_frames} frames; expected 7 to {MOST_FRAMES}")
        for name, least in (("image_size", 4), ("seed", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least {least}")

    @property
    def num_frames(self) -> int:
        """Frames of a sequence."""
        return self.num_inputs + self.num_targets

    @property
    def name(self) -> str:
        """Short name for metadata."""
        return "generated_images"

    @property
    def attribution(self) -> str | None:
        """None: nobody's data."""
        return None

    def files(self) -> SequenceFiles:
        """Name the program that makes them: there are no files."""
        return SequenceFiles(hashlib.sha256(met2net.__version__.encode()).hexdigest()[:16])

    def open(self, counts: Mapping[str, int]) -> "GeneratedReader":
        """Make as many as are asked for."""
        del counts
        return GeneratedReader(self)


class GeneratedReader:
    """Makes sequences: see `SequenceReader`."""

    def __init__(self, source: GeneratedSequences) -> None:
        """Keep the settings."""
        self.channels = tuple(label for labels in source.variables.values() for label in labels)
        self.num_frames = source.num_frames
        self.image_shape = (source.image_size, source.image_size)
        self._source = source

    def read(self, split: str, numbers: range) -> np.ndarray:
        """Give sequences of a split, from 0 (black) to 1."""
        frames = np.stack([self._sequence(split, number) for number in numbers])
        return frames.astype(np.float32) / np.float32(255)

    def _sequence(self, split: str, number: int) -> np.ndarray:
        rng = np.random.default_rng([self._source.seed, SPLITS[split], number])
        size = self._source.image_size
        axis = np.arange(size // 2) - (size // 2 - 1) / 2
        disc = np.hypot(axis[:, None], axis) <= size / 4
        corners = trajectories(
            rng, num_objects=2, num_frames=self.num_frames, room=size - size // 2
        )
        brightness = rng.integers(64, 256, size=(len(self.channels), 2, 1, 1))
        images = (brightness * disc).astype(np.uint8)  # (channel, object, row, column)
        return np.stack([draw(objects, corners, size=size) for objects in images], axis=1)
