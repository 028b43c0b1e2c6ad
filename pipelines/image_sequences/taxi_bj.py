"""TaxiBJ: flows of taxis in Beijing, from the NumPy archive that its benchmarks use."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from pipelines.disk_errors import is_of_disk
from pipelines.errors import DataError
from pipelines.fingerprint import file_sha256
from pipelines.formats.broken_zip import OF_BROKEN_ZIPS, refuse_password
from pipelines.image_sequences.sequences import MOST_FRAMES, SequenceFiles

__all__ = ["TaxiBJ", "TaxiBJReader"]

_CHANNELS = ("inflow", "outflow")
_ARRAYS = ("X_train", "Y_train", "X_test", "Y_test")
_CHECKED = 256  # sequences checked at once
_LARGEST = 16 * 2**30  # [bytes] unpacked; the benchmarks' file has 1.5 * 2**30


@dataclass(frozen=True)
class TaxiBJ:
    """Inflow and outflow of 32 x 32 cells of Beijing, every half hour.

    The file has `X_train`, `Y_train`, `X_test` and `Y_test`, (sequence, frame, 2, row, column),
    scaled to -1 ... 1; values are brought to 0 ... 1, as benchmarks score them. Validation
    sequences are the last ones of the training arrays.
    Source: Zhang, Zheng and Qi 2017, arXiv:1610.00081 (data); OpenSTL, arXiv:2306.11249.

    Attributes:
        file: the `.npz` file.
    """

    file: str = field(compare=False)

    @property
    def name(self) -> str:
        """Short name for metadata."""
        return "taxibj"

    @property
    def attribution(self) -> str | None:
        """Sentence that must be shown with the data."""
        return "TaxiBJ: J. Zhang, Y. Zheng and D. Qi 2017, Microsoft Research."

    def files(self) -> SequenceFiles:
        """Hash the file.

        Raises:
            DataError: if it is absent.
        """
        if not Path(self.file).is_file():
            raise DataError(f"found no file {self.file}; expected the npz file of TaxiBJ")
        return SequenceFiles(file_sha256(Path(self.file))[:16])

    def open(self, counts: Mapping[str, int]) -> "TaxiBJReader":
        """Read and check the arrays.

        Raises:
            DataError: if the file is damaged, lacks an array, or an array has another shape,
                number of sequences or range.
        """
        arrays = self._read()
        num_train = counts["train"] + counts.get("validation", 0)
        for part, expected in (("train", num_train), ("test", counts["test"])):
            found = len(arrays[f"X_{part}"])
            if found != expected:
                raise DataError(
                    f"{self.file} has {found} sequences in X_{part}; expected {expected}, as the "
                    "splits of the data set say"
                )
        return TaxiBJReader(arrays, num_train=counts["train"])

    def _read(self) -> dict[str, np.ndarray]:
        """Load the arrays; pickled ones are refused by NumPy."""
        try:
            with open(self.file, "rb") as file:
                # A .npy file gives an array, which has no names.
                archive = np.load(file, allow_pickle=False)
                found = getattr(archive, "files", [])
                members = archive.zip.infolist() if found else []
                size = sum(member.file_size for member in members)
                if size > _LARGEST:
                    raise ValueError(f"{size} bytes unpacked; expected at most {_LARGEST}")
                for member in members:
                    if member.filename.removesuffix(".npy") in _ARRAYS:
                        refuse_password(member)
                arrays = {name: archive[name] for name in _ARRAYS if name in found}
        # MemoryError: an array's header may claim any shape.
        except (*OF_BROKEN_ZIPS, ValueError, MemoryError) as error:
            if is_of_disk(error):
                raise
            raise DataError(f"cannot read {self.file} as a plain npz file: {error}") from error
        # A member without the form of an array comes as its bytes.
        missing = [name for name in _ARRAYS if not isinstance(arrays.get(name), np.ndarray)]
        if missing:
            held = ", ".join(found) or "no named array"
            raise DataError(f"{self.file} has {held}; expected also {', '.join(missing)}")
        _check(arrays, self.file)
        return arrays


class TaxiBJReader:
    """Gives the sequences of the arrays: see `SequenceReader`."""

    def __init__(self, arrays: Mapping[str, np.ndarray], *, num_train: int) -> None:
        """Keep the arrays; validation starts at `num_train`."""
        self.channels = _CHANNELS
        self.num_frames = arrays["X_train"].shape[1] + arrays["Y_train"].shape[1]
        self.image_shape = (arrays["X_train"].shape[3], arrays["X_train"].shape[4])
        self._arrays = arrays
        self._num_train = num_train

    def read(self, split: str, numbers: range) -> np.ndarray:
        """Give sequences of a split, from 0 to 1."""
        start = self._num_train if split == "validation" else 0
        rows = slice(start + numbers.start, start + numbers.stop)
        part = "test" if split == "test" else "train"
        inputs, targets = (self._arrays[f"{side}_{part}"][rows] for side in "XY")
        frames = np.concatenate([inputs, targets], axis=1).astype(np.float64)
        return ((frames + 1) / 2).astype(np.float32)


def _check(arrays: Mapping[str, np.ndarray], file: str) -> None:
    """Refuse arrays of other shapes, or values that are not scaled as usual."""
    for name, array in arrays.items():
        if array.ndim != 5 or array.shape[2] != len(_CHANNELS) or array.dtype.kind != "f":
            raise DataError(
                f"{file} has {name} {array.shape} {array.dtype}; expected floating-point numbers "
                "(sequence, frame, 2, row, column)"
            )
    for side in "XY":
        found, expected = arrays[f"{side}_test"].shape[1:], arrays[f"{side}_train"].shape[1:]
        if found != expected:
            raise DataError(f"{file} has sequences {found} in {side}_test; expected {expected}")
    for part in ("train", "test"):
        x, y = arrays[f"X_{part}"], arrays[f"Y_{part}"]
        if len(x) != len(y) or x.shape[2:] != y.shape[2:]:
            raise DataError(f"{file} has X_{part} {x.shape} and Y_{part} {y.shape}; expected pairs")
    num_frames = arrays["X_train"].shape[1] + arrays["Y_train"].shape[1]
    if not 7 <= num_frames <= MOST_FRAMES:
        raise DataError(f"{file} has {num_frames} frames a sequence; expected 7 to {MOST_FRAMES}")
    lowest, highest = np.inf, -np.inf
    for name, array in arrays.items():
        for start in range(0, len(array), _CHECKED):
            values = array[start : start + _CHECKED]
            if not np.isfinite(values).all():
                raise DataError(f"{file} has values in {name} that are not finite; expected none")
            lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
    if lowest < -1 - 1e-6 or highest > 1 + 1e-6 or lowest >= 0:
        raise DataError(
            f"{file} has values from {lowest:g} to {highest:g}; expected -1 to 1, the usual scale"
        )
