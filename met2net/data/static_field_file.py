"""A static field beside a training set, as one safetensors file.

Beside, not inside: training sets of the same fields are one, whatever a network sees beyond them.
"""

from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from met2net.data.grid import Grid
from met2net.data.static_fields import StaticField, static_variable

__all__ = ["read_static_field", "static_field_file", "write_static_field"]


def static_field_file(training_set: Path, name: str) -> Path:
    """Name the file of a static field of a training set."""
    return training_set.with_name(f"{training_set.stem}.{name}.safetensors")


def write_static_field(path: Path, field: StaticField) -> None:
    """Write a file; whoever asks for it sees to it that half a file is none."""
    tensors = {
        "values": np.ascontiguousarray(field.values, dtype=np.float32),
        "latitude": np.array(field.grid.latitude),
        "longitude": np.array(field.grid.longitude),
    }
    save_file(tensors, path, metadata={**field.provenance, **static_variable(field.name).attrs})


def read_static_field(path: Path, name: str) -> StaticField:
    """Read a file.

    Raises:
        ValueError: if there is none, or it is damaged.
    """
    if not path.is_file():
        raise ValueError(
            f"found no file {path}; expected {name} beside the training set, where a run that "
            "asks for it has put it"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = dict(file.metadata() or {})
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        grid = Grid(*(tuple(tensors[axis].tolist()) for axis in ("latitude", "longitude")))
        values = tensors["values"]
    except (SafetensorError, KeyError) as error:
        raise ValueError(
            f"{path} is damaged or no static field ({error}); remove it to have it made again"
        ) from error
    provenance = {k: v for k, v in metadata.items() if k not in static_variable(name).attrs}
    return StaticField(name, grid, values, provenance)
