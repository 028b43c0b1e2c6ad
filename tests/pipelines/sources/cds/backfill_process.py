"""A backfill in a process of its own, which tests may kill: FOLDER FIRST_MONTH LAST_MONTH."""

import sys
from pathlib import Path

from pipelines.archive.ingest import ingest
from pipelines.period import Period
from tests.pipelines.sources.cds.acquiring import SMALL, TEMPERATURE, quick_cds


def main(folder: Path, first: str, last: str) -> None:
    ingest(
        quick_cds(), period=Period(first, last), fields=TEMPERATURE, grid=SMALL,
        raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
