"""Writes frames into the chunks of a training set, as they come."""

from pathlib import Path

import numpy as np

from met2net.data.fields import chunk_path
from met2net.data.normalization import Normalizer
from pipelines.atomic import replacing
from pipelines.training_sets.layout import Layout

__all__ = ["ChunkWriter"]


class ChunkWriter:
    """Cuts frames into the chunks of a store; the last one is filled with zeros."""

    def __init__(self, layout: Layout, data: Path) -> None:
        self._buffer = np.zeros((layout.chunk_hours, *layout.fields[1:]), dtype=np.float32)
        self._data = data
        self._filled = 0
        self._paths: list[Path] = []

    def add(self, frames: np.ndarray) -> None:
        """Take frames in order; write every chunk that is full."""
        while len(frames):
            part = frames[: len(self._buffer) - self._filled]
            self._buffer[self._filled : self._filled + len(part)] = part
            self._filled += len(part)
            frames = frames[len(part) :]
            if self._filled == len(self._buffer):
                self._write()

    def finish(self) -> None:
        """Write what is left."""
        if self._filled:
            self._buffer[self._filled :] = 0
            self._write()

    def normalize(self, normalizer: Normalizer) -> None:
        """Normalize what was written, in float64, stored in float32."""
        mean, std = (np.array(x)[:, None, None] for x in (normalizer.mean, normalizer.std))
        if not mean.any() and (std == 1).all():
            return
        for path in self._paths:
            chunk = np.memmap(path, "<f4", "r+", shape=self._buffer.shape)
            for row in chunk:
                row[:] = (row.astype(np.float64) - mean) / std
            chunk.flush()

    def _write(self) -> None:
        path = chunk_path(self._data, len(self._paths))
        with replacing(path) as file:
            self._buffer.astype("<f4").tofile(file)
        self._paths.append(path)
        self._filled = 0
