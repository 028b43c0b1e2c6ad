"""Static fields of a training set: fetched, brought to its grid, kept beside it."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

import met2net
from met2net.data.static_field_file import (
    read_static_field,
    static_field_file,
    write_static_field,
)
from met2net.data.static_fields import StaticField
from met2net.data.training_set import TrainingSet
from pipelines.atomic import replacing
from pipelines.errors import as_data_error
from pipelines.fields.regrid import regrid
from pipelines.fields.target_grids import GridSettings
from pipelines.sources.static_source import raw_static_fields

__all__ = ["keep_static_fields"]

_log = logging.getLogger(__name__)


def keep_static_fields(
    training_set: Path,
    names: Sequence[str],
    *,
    source: object,
    grid: GridSettings,
    raw_folder: Path,
) -> None:
    """Put static fields beside a training set, on its grid, unless they are there.

    The store itself and its name stay as they are: whoever sees no static field has the same
    training set, and finds the same trainings. A network's settings name the values that it was
    made for (`StaticField.content`), so that other values make another training.

    Args:
        training_set: the store's folder.
        names: of `met2net.data.static_fields`; may be none.
        source: that the training set's weather came from.
        grid: of the archive; says how they are regridded, as the weather was.
        raw_folder: where the source keeps what it received.

    Raises:
        DataError: if the source does not have them, they do not cover the grid, or a value is
            missing or none on Earth.
    """
    if not names:
        return
    own = TrainingSet.open(training_set).grid
    raw = raw_static_fields(source, names, raw_folder=raw_folder)
    target = GridSettings(
        latitude=own.latitude, longitude=own.longitude, method=grid.method,
        nan_threshold=grid.nan_threshold,
    )  # fmt: skip
    for name, found in raw.items():
        values = regrid(found.field.to_dataset(name=name), target)[name].values
        provenance = {
            "raw": json.dumps(found.manifest, sort_keys=True),
            "regridding": grid.method,
            "code_version": met2net.__version__,
        }
        with as_data_error():
            field = StaticField(name, own, values.astype(np.float32), provenance)
        path = static_field_file(training_set, name)
        if not _is_kept(path, field):
            with replacing(path) as temporary:
                write_static_field(temporary, field)
            _log.info("kept %s beside the training set: %s", name, path)


def _is_kept(path: Path, field: StaticField) -> bool:
    """Tell whether a file is there and whole, has these values, and says where they came from."""
    try:
        kept = read_static_field(path, field.name)
    except ValueError:
        return False
    return kept.content == field.content and kept.provenance == field.provenance
