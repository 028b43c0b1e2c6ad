"""Output that cannot be written is lost, and the run goes on."""

import os
import sys
from typing import Any

from rich.console import Console

__all__ = ["ForgivingConsole", "make_output_safe"]


def make_output_safe() -> None:
    """Let characters that the terminal does not have pass as escapes; a closed stream is none."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


class ForgivingConsole(Console):
    """A console whose reader may have gone: what is printed then goes nowhere."""

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as rich does."""
        try:
            super().print(*objects, **options)
            self.file.flush()
        except OSError:
            _write_nowhere()

    def on_broken_pipe(self) -> None:
        """Go on; rich would end the program with status 1."""
        _write_nowhere()


def _write_nowhere() -> None:
    # Python writes what is left when it ends: that, too, must go somewhere.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
