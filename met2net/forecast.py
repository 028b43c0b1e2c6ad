"""Forecasts in physical units: arrays or xarray in, the same out."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from jaxtyping import Float
from torch import Tensor, nn

from met2net.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net.data.cf_metadata import COORDINATES
from met2net.data.channel_roles import forecast_places, hidden_places, seen_places
from met2net.data.dataset_fields import DatasetFields
from met2net.data.physical_bounds import bounds_of, within_bounds
from met2net.data.valid_points import FILL
from met2net.data.variables import channel
from met2net.forecast_inputs import (
    InitTime,
    check_frames,
    init_hours,
    input_times,
    plain_numbers,
)
from met2net.forecasting.rollout import rollout_hours
from met2net.models.evaluation_mode import evaluation_mode
from met2net.models.wrapper import needs_init_time, run_network

__all__ = ["Forecaster"]


class Forecaster:
    """Run a checkpoint's network on fields in physical units.

    The network runs on the device that it was loaded to. Where a channel had no value in training
    (the sea surface over land), inputs may hold NaN or anything else, and forecasts hold NaN.
    Inputs are those channels alone that the network sees, forecasts those that it gives
    (`Checkpoint.input_channels` and `output_channels`).

    Args:
        checkpoint: what to run.
        bounds: keeps forecasts within what is possible: True: cloud cover in 0 to 1, humidity,
            precipitation, radiation and wind speed at least 0 (`met2net.data.physical_bounds`); a
            mapping: these and channel label -> smallest and largest value, in its units. False: as
            the network gives them, as published. Inputs of a roll-out are bounded, too.

    Raises:
        ValueError: if `bounds` names another channel, or no range.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        *,
        bounds: bool | Mapping[str, tuple[float, float]] = False,
    ) -> None:
        self.checkpoint = checkpoint
        own = bounds if isinstance(bounds, Mapping) else None
        labels = checkpoint.normalizer.channels
        self._bounds = {} if bounds is False else bounds_of(labels, own=own)
        window = checkpoint.window
        self._seen, self._hidden = (f(window, labels) for f in (seen_places, hidden_places))
        self._given = forecast_places(window, labels)

    @classmethod
    def load(
        cls,
        path: Path | str,
        *,
        device: str = "cpu",
        allow: Sequence[str] = (),
        bounds: bool | Mapping[str, tuple[float, float]] = False,
    ) -> "Forecaster":
        """Read a checkpoint to forecast with; see `load_checkpoint` and the class.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is no checkpoint, or names code that is not allowed.
        """
        return cls(load_checkpoint(path, device=device, allow=allow), bounds=bounds)

    def save(self, path: Path | str) -> None:
        """Write the checkpoint, one safetensors file, at once or not at all.

        Raises:
            ValueError: if the settings do not build this network.
        """
        save_checkpoint(path, self.checkpoint)

    @property
    def needs_init_time(self) -> bool:
        """Whether arrays alone are not enough: the network uses what is known in advance."""
        return needs_init_time(self.checkpoint.network)

    def predict(
        self, inputs: Float[np.ndarray, "b t c h w"], init_time: InitTime | None = None
    ) -> Float[np.ndarray, "b t2 c2 h w"]:
        """Forecast from arrays, physical units in and out.

        Channels stand in the order of `Checkpoint.input_channels`, and of `output_channels`.

        Args:
            inputs: frames up to the init time.
            init_time: UTC, one a sample, where the network needs it: `datetime64`, texts that
                NumPy reads as such, or whole hours since 1970-01-01T00.

        Raises:
            TypeError: if the inputs are no NumPy array.
            ValueError: if the shape is not the checkpoint's, a value is not finite or cannot
                be weather (`met2net.data.physical_limits`), or the init times are missing, not
                one a sample, or not on a full hour.
        """
        return self.roll_out(inputs, init_time)

    def _init_hours(self, init_time: InitTime | None, num_samples: int) -> Tensor | None:
        """Turn init times into hours since 1970; None for a network that needs none."""
        if not self.needs_init_time:
            return None
        if init_time is None:
            raise ValueError(
                "found no init_time; expected one a sample, since this model uses what is known in "
                "advance of the hours that it forecasts (climatology, sun, season)"
            )
        hours = init_hours(init_time)
        if len(hours) != num_samples:
            raise ValueError(f"found {len(hours)} init times; expected {num_samples}, one a sample")
        return torch.from_numpy(hours)

    def _run(
        self, inputs: Float[np.ndarray, "b t c h w"], init_hours: Tensor | None
    ) -> Float[np.ndarray, "b t2 c h w"]:
        """Normalize, forecast, and undo the normalization; all channels in and out."""
        network, normalizer = self.checkpoint.network, self.checkpoint.normalizer
        valid = self.checkpoint.valid
        # Centred in double precision: pressures are large beside their changes.
        fields = torch.from_numpy(np.asarray(inputs, dtype=np.float64))
        device = _device(network)
        normalized = normalizer.normalize(fields).float().to(device)
        if valid is not None:
            normalized = valid.filled(normalized)
        normalized[:, :, self._hidden] = FILL
        with evaluation_mode(network):
            forecast = run_network(
                network, normalized, None if init_hours is None else init_hours.to(device)
            )
        physical = normalizer.denormalize(forecast.double().cpu())
        bounded = within_bounds(np.asarray(physical.numpy(), dtype=np.float32), self._bounds)
        return bounded if valid is None else valid.blanked(bounded)

    def forecast(
        self,
        dataset: xr.Dataset,
        init_time: np.datetime64 | str,
        *,
        num_leads: int | None = None,
        names: Mapping[str, str] | None = None,
    ) -> xr.Dataset:
        """Forecast from the hours up to `init_time`, the last observed one.

        Args:
            dataset: `name(time[, level], latitude, longitude)` in the checkpoint's units. Variables
                go by their CDS long names, channel labels (as a served model and its card name
                them) or GRIB short names; axes may be `valid_time`, `lat`, `lon`,
                `pressure_level`, in either direction.
            init_time: UTC.
            num_leads: number of lead times. More than the network was trained on are reached
                by roll-out: its own forecasts are its next inputs. None: the trained ones.
            names: channel label -> variable of the dataset, for other names.

        Returns:
            `name(init_time, lead_time, latitude, longitude)` with units, and the coordinate
            `valid_time`. Variables on pressure levels have `level` [hPa] after `lead_time`;
            where they do not all have the same levels, each level is a variable of its own,
            named by its label (`z500`), since one dataset has one `level` axis.

        Raises:
            ValueError: if a variable, level or hour is missing, the grid or the units differ,
                a value is not finite or cannot be weather, or the window does not allow a
                roll-out.
        """
        checkpoint = self.checkpoint
        lead_hours = rollout_hours(checkpoint.window, num_leads=num_leads)
        source = DatasetFields.of(dataset, names=names)
        if not source.grid.matches(checkpoint.grid):
            raise ValueError(f"dataset has grid {source.grid}; expected {checkpoint.grid}")
        start = np.datetime64(init_time).astype("datetime64[ns]")
        times = input_times(source, start=start, hours=checkpoint.window.input_hours)
        fields = [
            source.read(label, times=times, units=units).astype(np.float64)
            for label, units in zip(
                checkpoint.input_channels,
                checkpoint.units_of(checkpoint.input_channels),
                strict=True,
            )
        ]
        inputs = np.stack(fields, axis=1)[None]
        check_frames(self.checkpoint, inputs, [str(time.astype("datetime64[h]")) for time in times])
        predicted = self.roll_out(inputs, [start], num_leads=num_leads)
        return self._to_dataset(predicted[0], start=start, lead_hours=lead_hours)

    def roll_out(
        self,
        inputs: Float[np.ndarray, "b t c h w"],
        init_time: InitTime | None = None,
        *,
        num_leads: int | None = None,
    ) -> Float[np.ndarray, "b t2 c2 h w"]:
        """Forecast from arrays as `predict` does, for any number of lead times.

        Args:
            inputs: as of `predict`.
            init_time: as of `predict`.
            num_leads: number of lead times; past the trained ones, forecasts become inputs, and
                channels that are only seen stay as they were last. None: the trained ones.

        Raises:
            ValueError: as `predict`, and if the window does not allow a roll-out.
        """
        wanted = len(rollout_hours(self.checkpoint.window, num_leads=num_leads))
        num_inputs = self.checkpoint.window.num_inputs
        inputs = plain_numbers(inputs)
        check_frames(self.checkpoint, inputs)
        hours = self._init_hours(init_time, len(inputs))
        inputs = self._with_hidden(inputs)
        kept = [place for place in self._seen if place not in self._given]
        predicted = self._run(inputs, hours)
        while predicted.shape[1] < wanted:
            if hours is not None:
                hours = hours + self.checkpoint.window.target_hours[-1]
            predicted[:, :, kept] = inputs[:, -1:, kept]
            frames = np.concatenate([inputs, predicted], axis=1)[:, -num_inputs:]
            # Not checked: a forecast may leave the limits, as a cloud cover of 1.02 does.
            predicted = np.concatenate([predicted, self._run(frames, hours)], axis=1)
        return predicted[:, :wanted, self._given]

    def _with_hidden(
        self, inputs: Float[np.ndarray, "b t c h w"]
    ) -> Float[np.ndarray, "b t c2 h w"]:
        """Put channels that are not seen beside those that are; `_run` overwrites their values."""
        if not self._hidden:
            return inputs
        shape = (*inputs.shape[:2], len(self.checkpoint.normalizer.channels), *inputs.shape[3:])
        every = np.zeros(shape, np.result_type(inputs, np.float32))
        every[:, :, self._seen] = inputs
        return every

    def _to_dataset(
        self,
        predicted: Float[np.ndarray, "t c h w"],
        *,
        start: np.datetime64,
        lead_hours: tuple[int, ...],
    ) -> xr.Dataset:
        """Name the axes of a forecast."""
        checkpoint = self.checkpoint
        lead_time = np.asarray(lead_hours).astype("timedelta64[h]").astype("timedelta64[ns]")
        coords = {
            "init_time": ("init_time", np.array([start]), COORDINATES["init_time"]),
            "lead_time": ("lead_time", lead_time, COORDINATES["lead_time"]),
            "latitude": ("latitude", list(checkpoint.grid.latitude), COORDINATES["latitude"]),
            "longitude": ("longitude", list(checkpoint.grid.longitude), COORDINATES["longitude"]),
            "valid_time": (
                ("init_time", "lead_time"), (start + lead_time)[None], COORDINATES["valid_time"],
            ),
        }  # fmt: skip
        labels = checkpoint.output_channels
        units = checkpoint.units_of(labels)
        arrays = _name_channels(predicted[None], labels)
        for array in arrays.values():
            array.attrs["units"] = units[array.attrs.pop("position")]
        known = {name: text for name, text in checkpoint.provenance.items() if text}
        attrs = {"Conventions": "CF-1.11", **known}
        return xr.Dataset(arrays, attrs=attrs).assign_coords(coords)


def _name_channels(
    fields: Float[np.ndarray, "init lead c h w"], labels: tuple[str, ...]
) -> dict[str, xr.DataArray]:
    """Turn the channel axis into variables, levels joined where all variables share them."""
    dims = ("init_time", "lead_time", "latitude", "longitude")
    positions: dict[str, dict[int | None, int]] = defaultdict(dict)
    for position, label in enumerate(labels):
        parsed = channel(label)
        positions[parsed.variable.name][parsed.level] = position
    level_sets = {frozenset(at) for at in positions.values() if None not in at}
    arrays: dict[str, xr.DataArray] = {}
    for name, at in positions.items():
        attrs = channel(labels[next(iter(at.values()))]).variable.attrs
        levels = sorted(level for level in at if level is not None)
        if levels and len(level_sets) == 1:
            stacked = np.stack([fields[:, :, at[level]] for level in levels], axis=2)
            array = xr.DataArray(
                stacked, dims=(*dims[:2], "level", *dims[2:]), coords={"level": levels}
            )
            array["level"].attrs = dict(COORDINATES["level"])
            arrays[name] = array.assign_attrs(attrs, position=at[levels[0]])
            continue
        for level, position in at.items():
            extra = {} if level is None else {"level": f"{level} hPa"}
            key = name if level is None else labels[position]
            array = xr.DataArray(fields[:, :, position], dims=dims)
            arrays[key] = array.assign_attrs(attrs, **extra, position=position)
    return arrays


def _device(network: nn.Module) -> torch.device:
    """Give the device of a network's tensors; the CPU for one without tensors."""
    return next((tensor.device for tensor in network.state_dict().values()), torch.device("cpu"))
