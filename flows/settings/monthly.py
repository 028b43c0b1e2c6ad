"""Settings of `monthly_retrain` and `replay`, built and checked."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from flows.settings.built_setting import built
from flows.settings.compose import resolve
from flows.settings.config import REGISTERED, Experiment, load_experiment
from flows.settings.config_error import ConfigError, refusing_wrong_settings
from met2net.data.channel_roles import forecast_channels
from met2net.data.variables import required_fields
from pipelines.archive.location import archive_location
from pipelines.fields.target_grids import GridSettings
from pipelines.fingerprint import fingerprint
from pipelines.image_sequences.sequences import SequenceSource
from pipelines.period import Period
from pipelines.retraining.arrival import Arrival
from pipelines.retraining.comparison import channels_of_metric
from pipelines.retraining.drift import DriftLimits
from pipelines.retraining.promotion import PromotionRule
from pipelines.retraining.rolling_splits import RollingSplits
from pipelines.sources.source import Source

__all__ = ["MonthlySettings", "load_monthly", "read_moment"]

_STARTS = ("champion", "scratch")


@dataclass(frozen=True)
class MonthlySettings:
    """What the monthly retraining goes by.

    Attributes:
        experiment: data, model, training, scoring, tracking; its period's end and its splits
            are not used.
        now: the moment to go by, UTC; None: the one at which the flow starts.
        start: `champion`, or `scratch`: where a challenger's weights start from.
        arrival: when months are available.
        rolling: how splits follow the newest month.
        promotion: what a challenger must show.
        drift: what a new month may differ by.
        reports: write a report of the scores, with figures, beside each month's page.
        months: months that `replay` goes through; None: all for which there is enough before.
    """

    experiment: Experiment
    now: datetime | None
    start: str
    arrival: Arrival
    rolling: RollingSplits
    promotion: PromotionRule
    drift: DriftLimits
    reports: bool
    months: Period | None = None

    @property
    def source(self) -> Source:
        """Where months come from."""
        assert not isinstance(self.experiment.source, SequenceSource)  # refused by `data.form`
        return self.experiment.source

    @property
    def period(self) -> Period:
        """The experiment's period, of which the start is used."""
        assert self.experiment.period is not None  # only image sequences have none
        return self.experiment.period

    @property
    def grid(self) -> GridSettings:
        """The archive's grid."""
        assert self.experiment.grid is not None
        return self.experiment.grid

    @property
    def fields(self) -> dict[str, tuple[int, ...]]:
        """CDS long name -> pressure levels [hPa] that the archive holds."""
        groups = self.experiment.variables.values()
        return required_fields([label for labels in groups for label in labels])

    @property
    def archive(self) -> str:
        """Where the archive is: the same as that of `full_experiment` and `backfill`."""
        experiment = self.experiment
        return archive_location(
            experiment.archive_root,
            experiment.workspace,
            source=self.source,
            fields=self.fields,
            grid=self.grid,
            step_hours=experiment.step_hours,
        )

    @property
    def science_key(self) -> str:
        """Name of everything but the month that a challenger depends on."""
        experiment = self.experiment
        # Of the models one is retrained; it is scored on the newest months, whatever the split.
        science = {key: value for key, value in experiment.science.items() if key != "split"}
        science["models"] = [entry for entry in science["models"] if entry[0] == REGISTERED]
        inputs = {key: value for key, value in experiment.inputs.items() if key != "splits"}
        return fingerprint(science, inputs, self.rolling, self.start)

    def month_folder(self, month: str) -> Path:
        """Where the files of a month's retraining lie."""
        folder = self.experiment.workspace / "monthly" / self.experiment.name
        return folder / f"{month}-{self.science_key}"


def load_monthly(overrides: Sequence[str], *, config: str = "monthly_retrain") -> MonthlySettings:
    """Compose and build the settings.

    Raises:
        ConfigError: if an override does not fit or a value is refused.
    """
    experiment = load_experiment(overrides, config=config)
    plain = resolve(overrides, config=config)
    if plain["start"] not in _STARTS:
        raise ConfigError(f"start is {plain['start']!r}; expected one of: {', '.join(_STARTS)}")
    months = plain["replay"]["months"] if "replay" in plain else None
    with refusing_wrong_settings():
        promotion: PromotionRule = built(plain, "promotion")
        labels = forecast_channels(experiment.window, experiment.channels)
        channels_of_metric(promotion.metric, labels)  # refused now, not after a training
        return MonthlySettings(
            experiment=experiment,
            now=read_moment(plain["now"]),
            start=plain["start"],
            arrival=built(plain, "arrival"),
            rolling=built(plain, "rolling"),
            promotion=promotion,
            drift=built(plain, "drift"),
            reports=bool(plain["reports"]),
            months=None if months is None else Period.parse(months),
        )


def read_moment(text: Any) -> datetime | None:
    """Read a moment; UTC where it names no zone.

    Raises:
        ConfigError: if it cannot be read.
    """
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ConfigError(
            f"now is {text!r}; expected a moment in UTC, as 2026-03-07T06:00"
        ) from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
