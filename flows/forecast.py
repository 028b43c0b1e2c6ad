"""A registered model on the newest hours: CF netCDF and Zarr, maps, cyclone tracks."""

import sys
from pathlib import Path

import numpy as np
import xarray as xr
from prefect import flow
from prefect.artifacts import create_markdown_artifact

from flows.console.result import result_console
from flows.console.run import run_from_console
from flows.console.run_name import run_name
from flows.settings.forecast import SOURCE, ForecastSettings, load_forecast
from flows.stages.cds_secret import use_secret
from flows.stages.gpu_slot import gpu_slot
from flows.stages.retrying import is_worth_retrying
from flows.stages.stage import stage
from met2net.checkpoint import Checkpoint, load_checkpoint
from met2net.data.variables import required_fields
from pipelines.archive.state import current_state, open_archive
from pipelines.errors import DataError, as_data_error
from pipelines.figures.forecast import forecast_figures
from pipelines.figures.style import save
from pipelines.forecasting.cyclones import find_tracks, write_tracks
from pipelines.forecasting.forecast import (
    FORECAST_FILE,
    make_forecast,
    open_forecast,
    write_forecast,
)
from pipelines.forecasting.inputs import (
    choose_init_time,
    read_fields,
    read_inputs,
    read_source,
    write_inputs,
)
from pipelines.forecasting.model import ForecastModel, find_model
from pipelines.sources.files import Files

__all__ = ["forecast"]

_LIMIT_SECONDS = 3600


@flow(name="forecast", flow_run_name=run_name, timeout_seconds=_LIMIT_SECONDS)
def forecast(overrides: list[str]) -> str:
    """Forecast, and write fields, maps and tracks into one folder.

    Args:
        overrides: Hydra overrides, as `["experiment=mumbai", "num_leads=24"]`.

    Returns:
        Path of the netCDF file.

    Raises:
        DataError: if a setting is wrong, or the inputs are not what the model needs.
    """
    settings = load_forecast(overrides)
    use_secret(settings.prefect_secret)
    model = fetch_model(settings)
    folder = gather_inputs(settings, model)
    path = run_model(settings, model, folder)
    written = draw(settings, folder)
    _tell(path, written)
    return str(path)


@stage("fetch model", tags=["network"], retries=3,
      retry_delay_seconds=[5, 30, 120], retry_condition_fn=is_worth_retrying)  # fmt: skip
def fetch_model(settings: ForecastSettings) -> ForecastModel:
    """Copy the model's checkpoint out of the registry."""
    return find_model(
        settings.model, tracking_uri=settings.tracking_uri, folder=settings.workspace / "models"
    )


@stage("gather inputs", tags=["network"], retries=3,
      retry_delay_seconds=[5, 30, 120], retry_condition_fn=is_worth_retrying)  # fmt: skip
def gather_inputs(settings: ForecastSettings, model: ForecastModel) -> Path:
    """Write the hours that the model starts from into the forecast's folder; give the folder."""
    checkpoint = _load(model)
    dataset, provenance = _open(settings, checkpoint)
    init_time = choose_init_time(
        dataset["time"].values, checkpoint.window, init_time=settings.init_time
    )
    folder = settings.out / model.label / str(np.datetime_as_string(init_time, unit="h"))
    write_inputs(dataset.assign_attrs(provenance), checkpoint, init_time=init_time, folder=folder)
    return folder


@stage("run model")
def run_model(settings: ForecastSettings, model: ForecastModel, folder: Path) -> Path:
    """Forecast and write the fields."""
    inputs = read_inputs(folder)
    with gpu_slot(settings.device):
        made = make_forecast(
            model,
            inputs,
            init_time=inputs["time"].values[-1],
            num_leads=settings.num_leads,
            device=settings.device,
        )
    return write_forecast(made, folder)


@stage("draw")
def draw(settings: ForecastSettings, folder: Path) -> list[Path]:
    """Follow cyclones, draw maps, and show what was made on the run's page."""
    inputs, made = read_inputs(folder), open_forecast(folder / FORECAST_FILE)
    tracks = find_tracks(inputs, made)
    path = write_tracks(tracks, made, folder)
    written = [] if path is None else [path]
    if settings.maps:
        written += [
            save(figure, folder / f"{name}.png")
            for name, figure in forecast_figures(inputs, made, tracks=tracks)
        ]
    files = "\n".join(f"- `{file}`" for file in [folder / FORECAST_FILE, *written])
    create_markdown_artifact(
        key="forecast",
        markdown=f"# {made.attrs['title']}\n\n{made.sizes['lead_time']} lead times, "
        f"{len(tracks)} cyclones followed.\n\n{files}\n\n*{made.attrs['attribution']}*\n",
        description=made.attrs["title"],
    )
    return written


def _open(settings: ForecastSettings, checkpoint: Checkpoint) -> tuple[xr.Dataset, dict[str, str]]:
    """Open what the forecast starts from, and say what it is."""
    labels = checkpoint.input_channels
    if settings.input is None:
        state = current_state(settings.archive)
        if state is None:
            raise DataError(
                f"found no archive at {settings.archive}; expected one: run flows/backfill.py or "
                "flows/full_experiment.py with the same settings first, or give input=FILE"
            )
        provenance = {"input": settings.archive, "input_snapshot": state.snapshot_id}
        return open_archive(settings.archive, state.snapshot_id), provenance
    if settings.input != SOURCE:
        # A file beside those of the source is read as they are.
        names = settings.source.names if isinstance(settings.source, Files) else None
        read = read_fields(Path(settings.input), labels, names=names)
        return read, {"input": settings.input}
    assert settings.init_time is not None
    none = np.empty(0, dtype="datetime64[h]")
    init_time = choose_init_time(none, checkpoint.window, init_time=settings.init_time)
    offsets = np.asarray(checkpoint.window.input_hours).astype("timedelta64[h]")
    dataset = read_source(
        settings.source,
        fields=required_fields(labels),
        grid=settings.grid,
        hours=init_time + offsets,
        raw_folder=settings.workspace / "raw",
    )
    return dataset, {"input": f"source {settings.source.name}"}


def _load(model: ForecastModel) -> Checkpoint:
    with as_data_error():
        return load_checkpoint(model.checkpoint)


def _tell(path: Path, written: list[Path]) -> None:
    """Print where things are."""
    console = result_console()
    console.print(f"Forecast: {path}", soft_wrap=True)
    for file in written:
        console.print(f"  {file.name}")


if __name__ == "__main__":
    run_from_console(forecast, sys.argv[1:])
