"""How far a backfill is, and which archived months are still preliminary; changes nothing."""

import sys

from prefect import flow
from rich.console import Console
from rich.table import Table

from flows.console.acquisition_progress import read_progress
from flows.console.acquisition_table import acquisition_table
from flows.console.result import result_console
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.settings.backfill import BackfillSettings, load_backfill
from pipelines.archive.history import history_table
from pipelines.archive.state import current_state
from pipelines.sources.cds import Cds

__all__ = ["backfill_status"]


@flow(name="backfill-status", flow_run_name=run_name, validate_parameters=False)
def backfill_status(overrides: list[str]) -> list[str]:
    """Show the months that are being fetched, and those in the archive.

    Args:
        overrides: those of the backfill.

    Returns:
        Archived months that hold preliminary hours.
    """
    settings = load_backfill(overrides, config="backfill_status")
    console = result_console()
    if isinstance(settings.source, Cds):
        console.print("\n[bold]Received from the Climate Data Store[/bold]")
        progress = read_progress(settings.source, settings.requests(), settings.raw_folder)
        console.print(acquisition_table(progress))
    preliminary = _show_archive(settings, console)
    if preliminary:
        console.print(
            f"\n{len(preliminary)} archived months hold preliminary hours (ERA5T): "
            f"{', '.join(preliminary)}. The same backfill with reconcile=true asks for them anew."
        )
    return preliminary


def _show_archive(settings: BackfillSettings, console: Console) -> list[str]:
    """Draw the newest commit of each archived month; give the preliminary months."""
    console.print(f"\n[bold]Archive[/bold] {settings.archive}", soft_wrap=True)
    if current_state(settings.archive) is None:
        console.print("no month yet")
        return []
    newest = {row["month"]: row for row in history_table(settings.archive)}
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("Month", "Release", "Source", "Archived (UTC)", "By"):
        table.add_column(column, no_wrap=True)
    for _, row in sorted(newest.items()):
        when = row["when"][:16].replace("T", " ")
        table.add_row(row["month"], row["expver"], row["source"], when, row["action"])
    console.print(table)
    for month, row in sorted(newest.items()):
        if row["largest change"]:
            console.print(f"{month}: largest change {row['largest change']}")
    return sorted(month for month, row in newest.items() if "preliminary" in row["expver"])


if __name__ == "__main__":
    run_from_console(backfill_status, sys.argv[1:])
