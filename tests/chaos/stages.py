"""The stages as the campaign runs them: what is there before, the command, what ends there."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import xarray as xr

import pipelines.training.process  # noqa: F401  (before a child is forked)
from met2net.checkpoint import load_checkpoint
from pipelines.archive.ingest import ingest
from pipelines.archive.state import current_state, open_archive
from pipelines.errors import DataError
from pipelines.evaluation.evaluate import evaluate, write_examples
from pipelines.evaluation.settings import ScoringSettings
from pipelines.fields.target_grids import GridSettings
from pipelines.forecasting.forecast import FORECAST_FILE, make_forecast, write_forecast
from pipelines.forecasting.inputs import choose_init_time, read_inputs, write_inputs
from pipelines.forecasting.model import find_model
from pipelines.period import Month, Period
from pipelines.registry.register import register
from pipelines.run_folder import RunFolder
from pipelines.sources.files import Files
from pipelines.sources.source import MonthRequest
from pipelines.tracking.find_runs import find_or_start_run, open_experiment
from pipelines.tracking.mlflow_quiet import mlflow
from pipelines.tracking.track_run import track_run
from pipelines.training.train import train
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import make_month
from tests.chaos.content import (
    archive_content,
    dataset_content,
    file_content,
    hash_of,
    registry_content,
    weights_content,
)
from tests.pipelines.small_project import (
    VARIABLES,
    WINDOW,
    make_archive,
    make_checkpoint,
    make_training_set,
)
from tests.pipelines.sources.cds.acquiring import TEMPERATURE, quick_cds
from tests.pipelines.synthetic_run import write_curves
from tests.pipelines.training.training_jobs import make_job, with_trainer

__all__ = ["MODEL", "STAGES", "Stage", "build_again", "replace_months", "training_set", "write_raw"]

MODEL = "chaos"
_FIELDS = {"2m_temperature": (), "10m_u_component_of_wind": ()}
_SHORT = {"2m_temperature": "t2m", "10m_u_component_of_wind": "u10"}
_SETTINGS = TrainingSetSettings(
    VARIABLES,
    Splits(
        Period("2016-01-01", "2016-01-06"),
        Period("2016-01-07", "2016-01-08"),
        Period("2016-01-09", "2016-01-10"),
    ),
)


@dataclass(frozen=True)
class Stage:
    """A stage of the chain.

    Attributes:
        name: in the table.
        prepare: makes in an empty folder what is there before.
        run: the command.
        state: what the folder holds, to be compared.
        uses_store: whether it asks the Climate Data Store.
    """

    name: str
    prepare: Callable[[Path], None]
    run: Callable[[Path], None]
    state: Callable[[Path], dict[str, str]]
    uses_store: bool = False


def _fetch(folder: Path, months: tuple[Month, ...]) -> None:
    requests = [MonthRequest(month, month.hours(), TEMPERATURE) for month in months]
    cds = quick_cds(data_format="netcdf")
    with cds.fetching(requests, folder / "raw"):
        for request in requests:
            cds.fetch(request, folder / "raw").dataset.load()


def _fetch_before(folder: Path) -> None:
    _fetch(folder, (Month(2016, 12),))


def _fetch_run(folder: Path) -> None:
    _fetch(folder, (Month(2016, 12), Month(2017, 1), Month(2017, 2)))


def _fetch_state(folder: Path) -> dict[str, str]:
    return file_content(folder / "raw", label="raw", ignored=("manifest.json",))


def write_raw(folder: Path) -> None:
    """Write a file a month, as the Climate Data Store gives it."""
    (folder / "era5").mkdir(parents=True)
    for month in ("2016-01", "2016-02", "2016-03"):
        fields = make_month(Month.parse(month).hours(), fields=_FIELDS)
        fields.rename({"time": "valid_time", **_SHORT}).to_netcdf(folder / "era5" / f"{month}.nc")


def _ingest(folder: Path, last: str, *, replace: bool = False) -> None:
    ingest(
        Files(str(folder / "era5")), period=Period("2016-01-20", last), fields=_FIELDS,
        grid=GridSettings(), raw_folder=folder / "raw", path=folder / "archive", replace=replace,
    )  # fmt: skip


def _ingest_before(folder: Path) -> None:
    write_raw(folder)
    _ingest(folder, "2016-02-05")


def _ingest_run(folder: Path) -> None:
    _ingest(folder, "2016-03-10")


def replace_months(folder: Path) -> None:
    """Fetch every month that the archive of the ingest stage holds again."""
    _ingest(folder, "2016-02-05", replace=True)


def _archive_state(folder: Path) -> dict[str, str]:
    return archive_content(folder / "archive")


def _build_before(folder: Path) -> None:
    make_archive(folder)


def _build_run(folder: Path) -> None:
    state = current_state(folder / "archive")
    assert state is not None
    build_training_set(state, _SETTINGS, folder=folder / "sets")


def _build_state(folder: Path) -> dict[str, str]:
    content = archive_content(folder / "archive")
    for store in (folder / "sets").glob("*.zarr"):
        content |= file_content(store, label="training set")
    return content


def training_set(folder: Path) -> Path:
    """Give the only training set of a folder."""
    (found,) = (folder / "training-sets").glob("*.zarr")
    return found


def _train_before(folder: Path) -> None:
    make_training_set(folder)


def build_again(folder: Path) -> Path:
    """Do what every flow does before anything reads a training set: build it or find it."""
    state = current_state(folder / "archive")
    assert state is not None
    return build_training_set(state, _SETTINGS, folder=folder / "training-sets")


def _train_run(folder: Path) -> None:
    job = make_job(build_again(folder), max_epochs=2, batches_per_epoch=3)
    train(with_trainer(job, checkpoint_minutes=0.0), folder=folder / "model", in_process=True)


def _train_state(folder: Path) -> dict[str, str]:
    content = weights_content(folder / "model" / "model.safetensors", label="model")
    metrics = folder / "model" / "metrics.csv"
    if metrics.is_file() and content:
        content["training curve"] = hash_of(metrics.read_bytes())
    return content | file_content(training_set(folder), label="training set")


def _score_before(folder: Path) -> None:
    store = make_training_set(folder)
    make_checkpoint(folder / "run" / "models" / "met2net" / "model.safetensors", store)
    write_curves(folder / "run" / "models" / "met2net" / "metrics.csv")


def _score_run(folder: Path) -> None:
    store = build_again(folder)
    out = folder / "run"
    if (out / "example.nc").is_file() and (out / "scores.json").is_file():
        return  # as the task of the flow does
    checkpoints = {"met2net": out / "models" / "met2net" / "model.safetensors"}
    common = {"window": WINDOW, "split": "test", "checkpoints": checkpoints, "out": out}
    scoring = ScoringSettings(num_resamples=100, block_days=1)
    evaluate(store, **common, scoring=scoring)
    write_examples(store, **common)


def _score_state(folder: Path) -> dict[str, str]:
    out = folder / "run"
    return {
        **dataset_content(out / "scores.nc", label="scores"),
        **dataset_content(out / "statistics.nc", label="statistics"),
        **dataset_content(out / "example.nc", label="example"),
        **weights_content(out / "models" / "met2net" / "model.safetensors", label="model"),
    }


def _store(folder: Path) -> str:
    return f"sqlite:///{folder / 'mlflow.db'}"


def _register(folder: Path, fingerprint: str) -> None:
    out, uri = folder / "run", _store(folder)
    tags = {
        "archive_snapshot": "S", "git_commit": "abc", "settings_fingerprint": fingerprint,
        "protocol": "clean",
    }  # fmt: skip
    run_id = track_run(
        RunFolder(out), tracking_uri=uri, experiment=MODEL, fingerprint=fingerprint, tags=tags,
        settings={"name": MODEL, "seed": 0},
    )  # fmt: skip
    with xr.open_dataset(out / "example.nc", decode_timedelta=False) as examples:
        inputs = examples["inputs"].values
    register(
        out / "models" / "met2net" / "model.safetensors", name=MODEL, tracking_uri=uri,
        run_id=run_id, example=inputs, scores=out / "scores.nc", figures=[], tags=tags,
        now=datetime.now(UTC),
    )  # fmt: skip


def _register_before(folder: Path) -> None:
    _score_before(folder)
    _score_run(folder)
    _register(folder, "before")


def _register_run(folder: Path) -> None:
    _register(folder, "this")


def _register_state(folder: Path) -> dict[str, str]:
    return registry_content(_store(folder), MODEL)


def _forecast(folder: Path, init_time: str | None) -> None:
    model = find_model(
        f"models:/{MODEL}@champion", tracking_uri=_store(folder), folder=folder / "models"
    )
    try:
        checkpoint = load_checkpoint(model.checkpoint)
    except ValueError as error:
        raise DataError(str(error)) from error  # as the flow does
    dataset = open_archive(folder / "archive")
    chosen = choose_init_time(dataset["time"].values, checkpoint.window, init_time=init_time)
    out = folder / "forecasts" / str(chosen.astype("datetime64[h]"))
    write_inputs(dataset, checkpoint, init_time=chosen, folder=out)
    write_forecast(make_forecast(model, read_inputs(out), init_time=chosen, num_leads=5), out)


def _forecast_before(folder: Path) -> None:
    _register_before(folder)
    client = mlflow.MlflowClient(tracking_uri=_store(folder))
    find_or_start_run(client, open_experiment(_store(folder), "o"), fingerprint="0", stage="o")
    _forecast(folder, "2016-01-05T00")


def _forecast_run(folder: Path) -> None:
    _forecast(folder, None)


def _forecast_state(folder: Path) -> dict[str, str]:
    content = {}
    for out in sorted((folder / "forecasts").glob("*")):
        content |= dataset_content(out / FORECAST_FILE, label=out.name)
        if (out / "forecast.zarr").is_dir():
            stored = xr.open_zarr(out / "forecast.zarr", decode_timedelta=False, chunks=None)
            loaded = stored.load()
            values = [loaded[name].values.tobytes() for name in sorted(map(str, loaded.data_vars))]
            content[f"{out.name} zarr"] = hash_of(*values)
    return content


STAGES = {
    stage.name: stage
    for stage in (
        Stage("fetch", _fetch_before, _fetch_run, _fetch_state, uses_store=True),
        Stage("ingest", _ingest_before, _ingest_run, _archive_state),
        Stage("training set", _build_before, _build_run, _build_state),
        Stage("training", _train_before, _train_run, _train_state),
        Stage("scoring", _score_before, _score_run, _score_state),
        Stage("registration", _register_before, _register_run, _register_state),
        Stage("forecast", _forecast_before, _forecast_run, _forecast_state),
    )
}
"""By name, in the order of the chain."""
