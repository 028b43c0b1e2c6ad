"""Settings of `forecast`, built and checked."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flows.settings.built_setting import built
from flows.settings.compose import resolve
from flows.settings.config_error import refusing_wrong_settings
from met2net.data.variables import required_fields
from pipelines.archive.location import archive_location
from pipelines.fields.target_grids import GridSettings
from pipelines.sources.source import Source

__all__ = ["SOURCE", "ForecastSettings", "load_forecast"]

SOURCE = "source"
"""What `input` says for hours that come straight from the source."""


@dataclass(frozen=True)
class ForecastSettings:
    """What is forecast, by which model and from what.

    Attributes:
        model: `models:/NAME@ALIAS`, `models:/NAME/VERSION` or path of a checkpoint.
        input: None for the archive, `source`, or path of a file or Zarr store.
        init_time: last observed hour, UTC; None for the newest possible.
        num_leads: number of lead times; None for the trained ones.
        maps: whether maps are drawn.
        out: folder of all forecasts.
        grid: of the archive.
        archive: folder, or `s3://bucket/prefix`.
        device: where the network runs, as PyTorch names it.
        prefect_secret: name of a Prefect Secret block with a source's key, or None.
    """

    model: str
    input: str | None
    init_time: str | None
    num_leads: int | None
    maps: bool
    out: Path
    workspace: Path
    source: Source
    grid: GridSettings
    archive: str
    tracking_uri: str
    device: str
    prefect_secret: str | None

    def __post_init__(self) -> None:
        """Check what can be checked before anything is read."""
        if self.num_leads is not None and (type(self.num_leads) is not int or self.num_leads < 1):
            raise ValueError(f"num_leads is {self.num_leads!r}; expected a number from 1 on")
        if self.input == SOURCE and self.init_time is None:
            raise ValueError(
                "init_time is null; expected an hour in UTC for input=source, which is asked for "
                "hours by name"
            )


def load_forecast(overrides: Sequence[str]) -> ForecastSettings:
    """Compose and build the settings.

    Raises:
        ConfigError: if an override does not fit or a value is refused.
    """
    plain = resolve(overrides, config="forecast")
    with refusing_wrong_settings():
        return _build(plain)


def _build(plain: Mapping[str, Any]) -> ForecastSettings:
    data = plain["data"]
    if "grid" not in data:
        raise ValueError(f"experiment {plain['name']} has images; expected one with weather")
    workspace = Path(plain["workspace"])
    source, grid = built(plain, "source", _convert_="all"), built(plain, "data.grid")
    labels = [label for group in data["variables"].values() for label in group]
    return ForecastSettings(
        model=plain["forecaster"] or f"models:/{plain['tracking']['registered_model']}@champion",
        input=None if plain["input"] is None else str(plain["input"]),
        init_time=None if plain["init_time"] is None else str(plain["init_time"]),
        num_leads=plain["num_leads"],
        maps=bool(plain["maps"]),
        out=Path(plain["out"] or workspace / "forecasts"),
        workspace=workspace,
        source=source,
        grid=grid,
        archive=archive_location(
            plain["archive"],
            workspace,
            source=source,
            fields=required_fields(labels),
            grid=grid,
            step_hours=data.get("step_hours", 1),
        ),
        tracking_uri=plain["tracking"]["uri"],
        device=built(plain, "trainer").torch_device,
        prefect_secret=plain["prefect_secret"],
    )
