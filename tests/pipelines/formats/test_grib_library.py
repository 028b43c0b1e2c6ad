import subprocess
import sys


def test_eccodes_leaves_sqlite_to_python() -> None:
    code = (
        "from pipelines.formats.grib_library import eccodes; eccodes.codes_get_api_version()\n"
        "import sqlite3; print(sqlite3.sqlite_version)"
    )
    alone = "import sqlite3; print(sqlite3.sqlite_version)"
    with_eccodes, without = (
        subprocess.run([sys.executable, "-c", c], capture_output=True, text=True, check=True).stdout
        for c in (code, alone)
    )
    assert with_eccodes == without
