"""The checkpoint that a training starts from, in place of random weights."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.errors import DataError
from pipelines.fingerprint import file_sha256

__all__ = ["InitialWeights"]


@dataclass(frozen=True)
class InitialWeights:
    """A checkpoint to start from, and the name of its content.

    The training goes on in the checkpoint's normalization: a network's weights hold for
    inputs that were scaled as they were when it was trained.

    Attributes:
        path: of the checkpoint.
        sha256: of the file, so that a training from other weights is another training.
    """

    path: str
    sha256: str

    @classmethod
    def of(cls, path: Path) -> "InitialWeights":
        """Name a checkpoint's content.

        Raises:
            DataError: if there is no such file.
        """
        if not path.is_file():
            raise DataError(f"found no file {path}; expected a checkpoint to start from")
        return cls(str(path), file_sha256(path))
