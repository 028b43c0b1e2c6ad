"""The ridge regression of a run, fitted once and kept beside the scores."""

import logging
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.forecasting.ridge import Ridge, fit_ridge
from pipelines.atomic import replacing
from pipelines.fingerprint import fingerprint
from pipelines.training_sets.windows import windows_in_split

__all__ = ["fitted_ridge"]

_FORMAT = 2
"""Raised whenever the same training set and window would give another regression."""

logger = logging.getLogger(__name__)


def fitted_ridge(data: TrainingSet, *, window: WindowSpec, path: Path) -> Ridge:
    """Give the ridge regression of a training set and window: the one at `path`, or a new one.

    Raises:
        DataError: if the training or the validation split has no window.
    """
    key = fingerprint(_FORMAT, data.attrs["fingerprint"], window)
    kept = _read(path, key)
    if kept is not None:
        return kept
    ridge = fit_ridge(
        windows_in_split(data, "train", window),
        windows_in_split(data, "validation", window),
        climatology=data.climatology,
        window=window,
        periodic_longitude=data.grid.is_periodic,
    )
    metadata = {
        "fingerprint": key,
        "frames": ",".join(map(str, ridge.frames)),
        "is_local": str(ridge.is_local),
        "periodic_longitude": str(ridge.periodic_longitude),
        "regularization": repr(ridge.regularization),
    }
    with replacing(path) as temporary:
        save_file({"weights": ridge.weights}, temporary, metadata=metadata)
    logger.info("fitted a ridge regression, regularization %g: %s", ridge.regularization, path)
    return ridge


def _read(path: Path, key: str) -> Ridge | None:
    """Read the file if it is there, whole, and of this training set and window."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            if metadata.get("fingerprint") != key:
                return None
            weights = file.get_tensor("weights")
    except SafetensorError:
        logger.warning("%s is damaged; the regression is fitted again", path)
        return None
    return Ridge(
        weights,
        frames=tuple(map(int, metadata["frames"].split(","))),
        is_local=metadata["is_local"] == "True",
        regularization=float(metadata["regularization"]),
        periodic_longitude=metadata["periodic_longitude"] == "True",
    )
