"""One safetensors file that rebuilds a trained network with nothing else."""

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from met2net.data.channel_groups import channel_labels
from met2net.data.channel_roles import check_roles, forecast_channels, seen_channels
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.valid_points import ValidPoints
from met2net.data.variable_definitions import DEFINITIONS, define_all, definitions_of
from met2net.data.variables import channel, is_channel
from met2net.data.windows import ROLES, WindowSpec
from met2net.models.build import build
from met2net.models.met2net import Met2Net
from met2net.models.own_classes import dotted_name

__all__ = ["Checkpoint", "content_of", "load_checkpoint", "save_checkpoint"]

_KEY = "met2net"  # of the JSON text in the file's metadata
_FORMAT = 3
_FORMAT_WITH_MASK = 4  # said by files with a mask alone: who does not know masks refuses them
_FORMAT_WITH_ROLES = 5  # likewise of channels that are only seen, or only forecast
_VALID = "valid_points"  # channel -> packed bits, of channels that lack a value somewhere
_WITH_ONE_IDENTITY = (1, 2)  # formats whose Met2Nets added the input of a translator's block once
_WITHOUT_HABITS = 1  # knew no window habits but the stride: its windows are taken to have none
_WINDOW_NUMBERS = ("stride_hours", "drop_last_hours", "drop_last_windows", "length_stride")


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained network and what is needed to use it and to know where it came from.

    Attributes:
        network: in eval mode.
        settings: from which `build` makes the network; plain JSON values.
        normalizer: statistics of the training split, in channel order, of all channels: those that
            are only seen or only forecast, too.
        grid: on which the network was trained.
        window: its input hours and lead times, which windows it was trained on, and which channels
            are only seen or only forecast.
        variables: groups of channel labels, in order.
        units: one a channel.
        provenance: archive snapshot, training set, git commit, fingerprint, attribution ...
        valid: points with a value, by channel; None where every point has one.

    Raises:
        ValueError: if channels of variables, normalizer, window and units do not agree, or the mask
            is of other channels or another grid.
    """

    network: nn.Module
    settings: dict[str, Any]
    normalizer: Normalizer
    grid: Grid
    window: WindowSpec
    variables: dict[str, tuple[str, ...]]
    units: tuple[str, ...]
    provenance: dict[str, str]
    valid: ValidPoints | None = None

    def __post_init__(self) -> None:
        """Check the channels and leave training mode."""
        labels = channel_labels(self.variables)
        if self.normalizer.channels != labels:
            raise ValueError(
                f"normalizer has channels {', '.join(self.normalizer.channels)}; "
                f"expected {', '.join(labels)}"
            )
        if len(self.units) != len(labels):
            raise ValueError(f"{len(self.units)} units; expected {len(labels)}, one a channel")
        if self.valid is not None and self.valid.mask.shape != (len(labels), *self.grid.shape):
            raise ValueError(
                f"the mask has shape {self.valid.mask.shape}; expected "
                f"{(len(labels), *self.grid.shape)}"
            )
        check_roles(self.window, labels)
        self.network.eval()

    @property
    def input_channels(self) -> tuple[str, ...]:
        """Labels of what a forecast starts from, in order."""
        return seen_channels(self.window, self.normalizer.channels)

    @property
    def output_channels(self) -> tuple[str, ...]:
        """Labels of what is forecast, in order."""
        return forecast_channels(self.window, self.normalizer.channels)

    def units_of(self, channels: Sequence[str]) -> tuple[str, ...]:
        """Give the units of some channels."""
        units = dict(zip(self.normalizer.channels, self.units, strict=True))
        return tuple(units[label] for label in channels)


def save_checkpoint(path: Path | str, checkpoint: Checkpoint) -> None:
    """Write the file at once or not at all.

    Raises:
        ValueError: if the settings build another network than the checkpoint holds, or hold
            more than plain JSON values.
    """
    path = Path(path)
    tensors = {k: v.detach().cpu().contiguous() for k, v in checkpoint.network.state_dict().items()}
    with torch.device("meta"):
        expected = build(checkpoint.settings).state_dict()
    _check_tensors(tensors, expected)
    content = save(tensors, metadata={_KEY: _description(checkpoint)})
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o644)  # mkstemp's files are for their owner alone
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def load_checkpoint(
    path: Path | str, *, device: str = "cpu", allow: Sequence[str] = ()
) -> Checkpoint:
    """Read a file and rebuild its network in eval mode; no pickle is involved.

    A file can name classes of this package's networks alone. Classes of your own have to be
    allowed: by `register`, or here by the modules that define them, which are then imported.
    What was allowed once stays so in this process.

    Args:
        path: of the file.
        device: where the network is to run.
        allow: modules, as `my_networks`, whose classes the file may name.

    Files of formats 1 and 2 give what they gave: the loaded settings say the identities of their
    translators' blocks, so that a copy saved anew is of the same network.

    Raises:
        FileNotFoundError: if there is no such file.
        TypeError: if `allow` is one text.
        ValueError: if the file is damaged, no checkpoint, or names code that is not a model or
            not allowed.
    """
    path = Path(path)
    if isinstance(allow, str):
        raise TypeError(f"allow is {allow!r}; expected a list of modules, as [{allow!r}]")
    if path.is_dir():
        raise ValueError(f"{path} is a folder; expected a checkpoint, one safetensors file")
    if not path.is_file():
        raise FileNotFoundError(
            f"no checkpoint at {path}; expected the path of a safetensors file, as "
            "`save_checkpoint` and `Forecaster.save` write it"
        )
    try:
        with safe_open(path, framework="pt", device=device) as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except SafetensorError as error:
        raise ValueError(f"{path} is damaged or no safetensors file: {error}") from error
    if _KEY not in metadata:
        found = ", ".join(metadata) or "none"
        raise ValueError(f"{path} is no met2net checkpoint: metadata {found}; expected {_KEY!r}")
    try:
        return _rebuild(json.loads(metadata[_KEY]), tensors, path, allow)
    # What other forms than `_description` writes run into; PyTorch raises RuntimeError.
    except (LookupError, TypeError, AttributeError, RuntimeError, ArithmeticError) as error:
        raise ValueError(
            f"{path} has a description of another form than expected: {error!r}"
        ) from error


def content_of(path: Path) -> str:
    """Name what a checkpoint computes: weights, settings, normalization; not its provenance.

    Returns:
        SHA-256 of these, 64 hexadecimal digits. A training that is repeated to the same weights
        gives the same, whoever asks for it and whatever the commit.

    Raises:
        ValueError: if the file is no checkpoint.
    """
    digest = hashlib.sha256()
    try:
        with safe_open(path, framework="numpy") as file:
            metadata: Mapping[str, str] = file.metadata() or {}
            for name in sorted(file.keys()):  # noqa: SIM118 - not a mapping
                tensor = file.get_tensor(name)
                digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode())
                digest.update(np.ascontiguousarray(tensor).tobytes())
    except (SafetensorError, OSError) as error:
        raise ValueError(f"cannot read {path} as a checkpoint: {error}") from error
    if _KEY not in metadata:
        raise ValueError(f"{path} is no met2net checkpoint; expected metadata {_KEY!r}")
    description = json.loads(metadata[_KEY])
    description.pop("provenance", None)
    digest.update(json.dumps(description, sort_keys=True).encode())
    return digest.hexdigest()


def _rebuild(
    description: Mapping[str, Any],
    tensors: Mapping[str, torch.Tensor],
    path: Path,
    allow: Sequence[str],
) -> Checkpoint:
    """Build the network that the description names and give it the tensors."""
    if description["format"] not in (
        *_WITH_ONE_IDENTITY, _FORMAT, _FORMAT_WITH_MASK, _FORMAT_WITH_ROLES,
    ):  # fmt: skip
        raise ValueError(f"{path} has format {description['format']}; expected {_FORMAT}")
    define_all(description.get(DEFINITIONS, {}))
    settings = description["settings"]
    if description["format"] in _WITH_ONE_IDENTITY:
        settings = _with_one_identity(settings)
    # Built without memory, then given the file's tensors: no time is lost on random weights.
    with torch.device("meta"):
        network: nn.Module = build(settings, allow=allow)
    _check_tensors(tensors, network.state_dict())
    network.load_state_dict(tensors, assign=True)
    channels = tuple(description["normalizer"]["channels"])
    grid = Grid(*(tuple(description["grid"][key]) for key in ("latitude", "longitude")))
    return Checkpoint(
        network=network,
        settings=settings,
        normalizer=Normalizer(
            *(tuple(description["normalizer"][key]) for key in ("channels", "mean", "std"))
        ),
        grid=grid,
        window=WindowSpec(
            input_hours=tuple(description["window"]["input_hours"]),
            target_hours=tuple(description["window"]["target_hours"]),
            **_window_numbers(description, path),
        ),
        variables={name: tuple(labels) for name, labels in description["variables"].items()},
        units=tuple(description["units"]),
        provenance=description["provenance"],
        valid=ValidPoints.unpacked(
            description.get(_VALID, {}), channels=channels, shape=grid.shape
        ),
    )


def _with_one_identity(settings: Any) -> Any:
    """Say in the settings of every Met2Net what older formats meant without saying it."""
    if isinstance(settings, list):
        return [_with_one_identity(item) for item in settings]
    if not isinstance(settings, dict):
        return settings
    settings = {key: _with_one_identity(value) for key, value in settings.items()}
    if settings.get("_target_") == dotted_name(Met2Net):
        settings["space_time_identities"] = 1
    return settings


def _window_numbers(description: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Give the numbers that the file holds, all of them but in the old format, and the roles."""
    expected = _WINDOW_NUMBERS[:1] if description["format"] == _WITHOUT_HABITS else _WINDOW_NUMBERS
    missing = [name for name in expected if name not in description["window"]]
    if missing:
        raise ValueError(f"{path} does not say the window's {', '.join(missing)}; expected it to")
    numbers = {name: description["window"][name] for name in expected}
    numbers |= {role: description["window"].get(role, []) for role in ROLES}
    return {name: tuple(x) if isinstance(x, list) else x for name, x in numbers.items()}


def _description(checkpoint: Checkpoint) -> str:
    """Write all but the tensors as JSON; Python's floats survive this exactly."""
    normalizer, grid, window = checkpoint.normalizer, checkpoint.grid, checkpoint.window
    # Only where there are any, so that what was named by its content keeps its name.
    own = definitions_of(
        channel(label).variable.name for label in normalizer.channels if is_channel(label)
    )
    description = {
        "format": _format_of(checkpoint),
        "settings": checkpoint.settings,
        "normalizer": {
            "channels": normalizer.channels, "mean": normalizer.mean, "std": normalizer.std,
        },
        "grid": {"latitude": grid.latitude, "longitude": grid.longitude},
        "window": {
            "input_hours": window.input_hours,
            "target_hours": window.target_hours,
            **{name: getattr(window, name) for name in _WINDOW_NUMBERS},
            **{role: getattr(window, role) for role in ROLES if getattr(window, role)},
        },
        "variables": checkpoint.variables,
        "units": checkpoint.units,
        "provenance": checkpoint.provenance,
        **({DEFINITIONS: own} if own else {}),
        **(
            {} if checkpoint.valid is None
            else {_VALID: checkpoint.valid.packed(normalizer.channels)}
        ),
    }  # fmt: skip
    try:
        return json.dumps(description)
    except TypeError as error:
        raise ValueError(f"settings or provenance hold more than plain JSON: {error}") from error


def _format_of(checkpoint: Checkpoint) -> int:
    """Give the oldest format whose readers understand all of a checkpoint."""
    if any(getattr(checkpoint.window, role) for role in ROLES):
        return _FORMAT_WITH_ROLES
    return _FORMAT if checkpoint.valid is None else _FORMAT_WITH_MASK


def _check_tensors(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Refuse tensors that the settings' network does not have, or has in another shape."""
    shapes = [{k: (tuple(v.shape), v.dtype) for k, v in ts.items()} for ts in (found, expected)]
    if shapes[0] != shapes[1]:
        differing = sorted({name for name, _ in shapes[0].items() ^ shapes[1].items()})
        shown = ", ".join(differing[:4]) + (" ..." if len(differing) > 4 else "")
        raise ValueError(f"weights do not fit the network that the settings build: {shown} differ")
