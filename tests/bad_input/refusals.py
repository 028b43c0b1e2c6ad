"""What all tests of bad input share: generated inputs, and what a refusal must be."""

import hashlib
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings

from pipelines.errors import DataError


def generated(number: int) -> settings:
    """Settings of a test over that many generated inputs, the same ones every time."""
    return settings(
        max_examples=number,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.explicit, Phase.generate],  # inputs are small; to make them smaller is slow
    )


def tree(folder: Path) -> dict[str, str]:
    """Give every path in a folder with the hash of its content."""
    return {
        str(path.relative_to(folder)): (
            hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        )
        for path in sorted(folder.rglob("*"))
    }


def assert_explained(error: BaseException) -> None:
    """A user's mistake, said in one line of readable length: status 2 at the terminal."""
    assert isinstance(error, DataError), repr(error)
    text = str(error)
    assert text.strip() and "\n" not in text, text
    assert "Traceback" not in text
