"""Where flows print their results."""

import os
import sys

from rich.console import Console

from flows.console.safe_output import ForgivingConsole

__all__ = ["result_console"]

_FILE_WIDTH = 200  # columns


def result_console() -> Console:
    """Give a console as wide as the terminal; a file takes tables whole, whatever their width.

    The environment's COLUMNS, where it is set, counts more than both.
    """
    is_free = not sys.stdout.isatty() and "COLUMNS" not in os.environ
    return ForgivingConsole(highlight=False, width=_FILE_WIDTH if is_free else None)
