"""A pickle that shows that it was loaded: it makes a folder."""

import os
import pickle
from pathlib import Path


class Bomb:
    """Whoever unpickles this calls `os.mkdir`."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.marker),)


def bomb(marker: Path) -> bytes:
    """Give the pickle; `marker` is made where it is loaded."""
    return pickle.dumps(Bomb(marker))
