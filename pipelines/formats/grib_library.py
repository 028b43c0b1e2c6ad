"""ecCodes, loaded so that it does not take SQLite's place.

The package brings an old SQLite of its own. Loaded first, that one would serve the whole process,
and MLflow's database could not be read. Modules here import `eccodes` from this one.
"""

import sqlite3  # noqa: F401  (before ecCodes, see above)
import threading

import eccodes

__all__ = ["ECCODES", "eccodes"]

ECCODES = threading.Lock()
"""Held while in ecCodes: it is built with or without thread safety, and one cannot ask which."""
