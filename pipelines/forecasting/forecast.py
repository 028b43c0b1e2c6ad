"""Make a forecast and write it as CF netCDF and Zarr, with where it came from."""

import logging
import shutil
import warnings
from pathlib import Path

import numpy as np
import xarray as xr
import zarr
from filelock import FileLock

from met2net.checkpoint import load_checkpoint
from met2net.data.cf_metadata import with_cf_metadata
from met2net.forecast import Forecaster
from pipelines.atomic import write_netcdf
from pipelines.code_version import git_commit
from pipelines.errors import DataError
from pipelines.forecasting.model import ForecastModel

__all__ = ["FORECAST_FILE", "ZARR_FOLDER", "make_forecast", "open_forecast", "write_forecast"]

FORECAST_FILE, ZARR_FOLDER = "forecast.nc", "forecast.zarr"
"""Names in a forecast's folder."""

_TIMES = {"units": "hours since 1970-01-01", "calendar": "proleptic_gregorian", "dtype": "int64"}
_log = logging.getLogger(__name__)


def make_forecast(
    model: ForecastModel,
    dataset: xr.Dataset,
    *,
    init_time: np.datetime64,
    num_leads: int | None,
    device: str = "cpu",
) -> xr.Dataset:
    """Forecast in physical units, and say in the attributes where the forecast came from.

    Args:
        model: from `find_model`.
        dataset: fields up to the init time, as an archive holds them; its attributes that
            start with `input` are passed on.
        init_time: the last observed hour, UTC.
        num_leads: number of lead times; None: the trained ones; more: by roll-out.
        device: where the network runs.

    Raises:
        DataError: if the checkpoint cannot be used, or hours, grid, channels or units are not
            what it needs.
    """
    try:
        checkpoint = load_checkpoint(model.checkpoint, device=device)
        forecast = Forecaster(checkpoint).forecast(dataset, init_time, num_leads=num_leads)
    except ValueError as error:
        raise DataError(f"{model.label}: {error}") from error
    forecast.attrs = {
        "Conventions": "CF-1.11",
        "title": f"Forecast by {model.label} from {_hour(init_time)} UTC",
        "source": f"Met2Net, {model.label}",
        "model_name": model.name,
        "model_version": model.version or "not registered",
        **{f"model_{k}": v for k, v in checkpoint.provenance.items() if k != "attribution"},
        "forecast_git_commit": git_commit(),
        **{k: v for k, v in dataset.attrs.items() if str(k).startswith("input")},
        "attribution": _joined(
            checkpoint.provenance.get("attribution", ""), str(dataset.attrs.get("attribution", ""))
        ),
    }
    return forecast


def write_forecast(forecast: xr.Dataset, folder: Path) -> Path:
    """Write `forecast.nc` and `forecast.zarr`, each whole or not at all; give the netCDF file.

    One that was there is replaced.
    """
    named = with_cf_metadata(_with_encoding(forecast), history=str(forecast.attrs["title"]))
    _write_zarr(named, folder / ZARR_FOLDER)
    write_netcdf(folder / FORECAST_FILE, named)
    _log.info("%s: %d lead times in %s", forecast.attrs["title"], forecast.sizes["lead_time"],
              folder)  # fmt: skip
    return folder / FORECAST_FILE


def open_forecast(path: Path) -> xr.Dataset:
    """Read a forecast back into memory, lead times as durations, without cells of time."""
    with xr.open_dataset(path, decode_timedelta=True, engine="netcdf4") as dataset:
        return dataset.drop_vars("lead_time_bounds", errors="ignore").load()


def _write_zarr(dataset: xr.Dataset, path: Path) -> None:
    partial = path.with_name(f".{path.name}.partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_name(f".{path.name}.lock")):  # for two forecasts of one hour at once
        shutil.rmtree(partial, ignore_errors=True)  # left by a run that was killed
        try:
            dataset.to_zarr(partial, mode="w-", consolidated=False)
            with warnings.catch_warnings():
                # Zarr's specification does not have consolidated metadata yet; xarray has.
                warnings.filterwarnings("ignore", message="Consolidated metadata is currently not")
                zarr.consolidate_metadata(partial)
            shutil.rmtree(path, ignore_errors=True)
            partial.rename(path)
        finally:
            shutil.rmtree(partial, ignore_errors=True)


def _with_encoding(forecast: xr.Dataset) -> xr.Dataset:
    """Write times as CF numbers: hours."""
    named = forecast.copy()
    for name in ("init_time", "valid_time"):
        named[name].encoding.update(_TIMES)
    named["lead_time"].encoding.update(units="hours", dtype="int64")
    return named


def _joined(first: str, second: str) -> str:
    """Put two attributions side by side, one that says the same only once."""
    return first if second in first else second if first in second else f"{first} {second}"


def _hour(time: np.datetime64) -> str:
    return str(np.datetime_as_string(time, unit="h"))
