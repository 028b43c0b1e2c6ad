"""Settings of `backfill` and `backfill_status`, built and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from flows.settings.built_setting import built
from flows.settings.compose import resolve
from flows.settings.config_error import ConfigError, refusing_wrong_settings
from met2net.data.variables import required_fields
from pipelines.archive.location import archive_location
from pipelines.archive.month import MonthMaker
from pipelines.archive.month_requests import month_requests
from pipelines.archive.plan import WantedMonth
from pipelines.fields.implausible import check_accept
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period, check_step_hours
from pipelines.sources.source import MonthRequest, Source

__all__ = ["BackfillSettings", "load_backfill"]


@dataclass(frozen=True)
class BackfillSettings:
    """What is fetched, from where, and where it goes.

    Attributes:
        fields: CDS long name -> pressure levels [hPa], as they stand in the archive.
        accept: what is archived although weather does not do it, as `tp:zero_fields`.
        archive: folder, or `s3://bucket/prefix`.
        replace: fetch months that the archive holds, too; damaged ones are written anew.
        reconcile: fetch archived months again that hold preliminary hours.
        received_after: copies that came before this moment (UTC) are asked for anew.
        prefect_secret: name of a Prefect Secret block with the service's key, or None.
        step_hours: time step of the archive [h].

    Raises:
        ValueError: if the time step does not divide a day.
    """

    workspace: Path
    source: Source
    period: Period
    grid: GridSettings
    fields: Mapping[str, tuple[int, ...]]
    accept: tuple[str, ...]
    archive: str
    replace: bool
    reconcile: bool
    received_after: np.datetime64
    prefect_secret: str | None
    step_hours: int = 1

    def __post_init__(self) -> None:
        """Check the time step."""
        check_step_hours(self.step_hours)

    @property
    def raw_folder(self) -> Path:
        """Where sources keep what they received."""
        return self.workspace / "raw"

    def requests(self) -> list[MonthRequest]:
        """What is asked of the source for each month of the period; the rest is copied.

        Raises:
            DataError: if the archive cannot be read.
        """
        hours = {m: self.period.hours_in(m, self.step_hours) for m in self.period.months()}
        return month_requests(
            MonthMaker(self.source, self.fields, self.grid, self.raw_folder, self.step_hours),
            [WantedMonth(m, h, again=self.replace) for m, h in hours.items() if len(h)],
            path=self.archive,
            reconcile=self.reconcile,
        )


def load_backfill(overrides: Sequence[str], *, config: str = "backfill") -> BackfillSettings:
    """Compose and build the settings.

    Raises:
        ConfigError: if an override does not fit or a value is refused.
    """
    plain = resolve(overrides, config=config)
    with refusing_wrong_settings():
        source = built(plain, "source")
        grid = built(plain, "data.grid")
        period = plain["period"]
        labels = [label for group in plain["data"]["variables"].values() for label in group]
        fields = required_fields(labels)
        step_hours = plain["data"].get("step_hours", 1)
        workspace = Path(plain["workspace"])
        return BackfillSettings(
            workspace=workspace,
            source=source,
            period=built(plain, "data.period") if period is None else Period.parse(period),
            grid=grid,
            fields=fields,
            accept=check_accept(plain["data"].get("accept", ())),
            archive=archive_location(
                plain["archive"],
                workspace,
                source=source,
                fields=fields,
                grid=grid,
                step_hours=step_hours,
            ),
            replace=bool(plain["replace"]),
            reconcile=bool(plain["reconcile"]),
            received_after=_received_after(plain["received_after"]),
            prefect_secret=plain["prefect_secret"],
            step_hours=step_hours,
        )


def _received_after(text: str | None) -> np.datetime64:
    """Read a moment (UTC); by default what came today is recent enough to go on with."""
    moment: np.datetime64
    if text is None:
        moment = np.datetime64("now", "D").astype("datetime64[s]")  # "today" is the local date
        return moment
    try:
        moment = np.datetime64(text).astype("datetime64[s]")
    except ValueError as error:
        raise ConfigError(
            f"received_after is {text!r}; expected a moment in UTC, as 2026-01-31T12:00"
        ) from error
    return moment
