"""Small files as MNIST, Fashion-MNIST and TaxiBJ come."""

import gzip
import struct
from pathlib import Path

import numpy as np

NAMES = ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte")


def write_idx(path: Path, images: np.ndarray, *, magic: int = 0x0803) -> None:
    """Write images as an IDX file, compressed where the name says so."""
    content = struct.pack(">IIII", magic, *images.shape) + images.tobytes()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


def make_images(number: int, *, seed: int, size: int = 28) -> np.ndarray:
    """Bright blobs with a margin, as digits have."""
    rng = np.random.default_rng(seed)
    images = np.zeros((number, size, size), dtype=np.uint8)
    images[:, 4:-4, 6:-6] = rng.integers(0, 256, size=(number, size - 8, size - 12))
    return images


def write_mnist(folder: Path, *, train: int = 24, test: int = 10, suffix: str = ".gz") -> None:
    """Write `mnist` and `fashion` with training and test images."""
    for seed, data in enumerate(("mnist", "fashion")):
        for shift, (name, number) in enumerate(zip(NAMES, (train, test), strict=True)):
            images = make_images(number, seed=10 * seed + shift)
            write_idx(folder / data / f"{name}{suffix}", images)


def make_taxi(*, train: int = 12, test: int = 5, size: int = 8) -> dict[str, np.ndarray]:
    """Arrays of TaxiBJ's npz file: smooth waves from -1 to 1."""
    arrays = {}
    for part, number in (("train", train), ("test", test)):
        place = np.arange(number * 8 * 2 * size * size).reshape(number, 8, 2, size, size)
        waves = np.sin(0.37 * place + (part == "test")).astype(np.float32)
        arrays[f"X_{part}"], arrays[f"Y_{part}"] = waves[:, :4], waves[:, 4:]
    return arrays
