"""How far the fetching of a backfill is, read from what its source wrote down."""

from collections.abc import Sequence
from pathlib import Path

from flows.console.acquisition_table import Progress
from pipelines.sources.cds import Cds
from pipelines.sources.cds.month_status import month_status
from pipelines.sources.cds.waiting_times import waiting_times
from pipelines.sources.source import MonthRequest

__all__ = ["read_progress"]


def read_progress(source: Cds, requests: Sequence[MonthRequest], raw_folder: Path) -> Progress:
    """Read the manifests of all months; any process may do so at any time.

    Raises:
        DataError: if a manifest is damaged.
    """
    manifests = [
        (str(request.month), source.open_month(request, raw_folder)) for request in requests
    ]
    parts = [part for _, manifest in manifests for part in manifest.parts]
    return Progress(
        [month_status(name, manifest) for name, manifest in manifests],
        waiting_times(parts),
        max_in_flight=source.max_in_flight,
    )
