"""The ridge regression of a training set, fitted once and kept beside it."""

import json
import logging
from pathlib import Path

import numpy as np
from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file
from torch import from_numpy

from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.forecasting.ridge import Ridge, fit_ridge
from met2net.models.linear_forecast import LinearForecast
from pipelines.atomic import replacing
from pipelines.fingerprint import fingerprint
from pipelines.training_sets.windows import windows_in_split

__all__ = ["fitted_ridge", "ridge_file"]

_FORMAT = 5
"""Raised whenever the same training set and window would give another regression."""

logger = logging.getLogger(__name__)


def ridge_file(data: TrainingSet, *, window: WindowSpec) -> Path:
    """Name the file that a training set's regression for some windows is kept in.

    Raises:
        ValueError: if the set is in memory alone.
    """
    if data.path is None:
        raise ValueError("the training set is in memory alone; expected one in a folder")
    key = fingerprint(_FORMAT, data.attrs["fingerprint"], window)
    return data.path.with_name(f"{data.path.stem}.ridge-{key}.safetensors")


def fitted_ridge(data: TrainingSet, *, window: WindowSpec) -> Ridge:
    """Give the ridge regression of a training set and window: the one kept, or a new one.

    Baseline and networks that correct it share one regression; whoever asks while another process
    fits it waits.

    Raises:
        DataError: if the training or the validation split has no window.
    """
    path = ridge_file(data, window=window)
    kept = _read(path)
    if kept is not None:
        return kept
    with FileLock(path.with_name(f".{path.name}.lock")):
        return _read(path) or _fitted(data, window=window, path=path)


def _fitted(data: TrainingSet, *, window: WindowSpec, path: Path) -> Ridge:
    """Fit the regression and keep it."""
    ridge = fit_ridge(
        windows_in_split(data, "train", window),
        windows_in_split(data, "validation", window),
        climatology=data.climatology,
        window=window,
        periodic_longitude=data.grid.is_periodic,
        valid=data.valid,
    )
    numbers = {
        "settings": ridge.settings,
        "regularization": ridge.regularization,
        "band_regularization": ridge.band_regularization,
    }
    tensors = {name: tensor.numpy() for name, tensor in ridge.forecast.state_dict().items()}
    with replacing(path) as temporary:
        save_file(
            tensors | {"residual": ridge.residual},
            temporary,
            metadata={name: json.dumps(value) for name, value in numbers.items()},
        )
    logger.info("fitted a ridge regression, %s: %s", ridge.description, path)
    return ridge


def _read(path: Path) -> Ridge | None:
    """Read the file if it is there and whole."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            numbers = {name: json.loads(text) for name, text in (file.metadata() or {}).items()}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError:
        logger.warning("%s is damaged; the regression is fitted again", path)
        return None
    residual = tensors.pop("residual")
    forecast = LinearForecast(**numbers["settings"])
    forecast.load_state_dict({name: from_numpy(values) for name, values in tensors.items()})
    return Ridge(
        forecast,
        settings=numbers["settings"],
        regularization=tuple(numbers["regularization"]),
        band_regularization=tuple(numbers["band_regularization"]),
        residual=np.asarray(residual),
    )
