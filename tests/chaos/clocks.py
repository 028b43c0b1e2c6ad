"""Wall clocks that jump, and time zones that change their hour.

The jumps are real: a library put before the C library's (`jumping_clock.c`) adds an offset to
the wall clock of this process alone. Where there is no C compiler, only Python's `time.time`
jumps, and the zones.
"""

import ctypes
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

__all__ = ["ZONES", "has_library", "jump", "keep_jumping", "restart_with_library", "set_zone"]

ZONES = (
    "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Pacific/Apia", "America/St_Johns",
)  # fmt: skip
_SOURCE = Path(__file__).with_name("jumping_clock.c")
_NAME = "chaos_clock_offset"
_HOUR = 3600
_JUMPS = (-_HOUR, _HOUR, -86_400, 86_400, -30 * 86_400, 400 * 86_400)
_true_time = time.time


def has_library() -> bool:
    """Tell whether the library stands before the C library's."""
    return hasattr(ctypes.CDLL(None), _NAME)


def restart_with_library(folder: Path) -> None:
    """Compile the library and start this program again with it; nothing without a compiler."""
    compiler = shutil.which("cc")
    if has_library() or compiler is None or os.environ.get("CHAOS_CLOCK") == "off":
        return
    library = folder.resolve() / "jumping_clock.so"
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", library, _SOURCE], check=True)
    environment = os.environ | {"LD_PRELOAD": str(library), "CHAOS_CLOCK": "off"}
    os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def jump(seconds: int) -> None:
    """Set the wall clock of this process so far from the true one."""
    if has_library():
        ctypes.c_longlong.in_dll(ctypes.CDLL(None), _NAME).value = seconds
    else:
        time.time = lambda: _true_time() + seconds  # type: ignore[assignment]


def keep_jumping(draw: random.Random, *, within: float) -> None:
    """Jump twice, at random moments of the next seconds."""
    moments = sorted(draw.uniform(0.0, within) for _ in range(2))
    jumps = [draw.choice(_JUMPS) for _ in moments]

    def work() -> None:
        start = time.monotonic()
        for moment, seconds in zip(moments, jumps, strict=True):
            time.sleep(max(0.0, start + moment - time.monotonic()))
            jump(seconds)

    threading.Thread(target=work, daemon=True).start()


def set_zone(zone: str) -> None:
    """Let local time be another zone's."""
    os.environ["TZ"] = zone
    time.tzset()
