"""Look inside trained networks: CKA between variables and between layers, and attention."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn

from met2net.analysis.attention import attention_array, mean_attention, seasonal_attention
from met2net.analysis.cka import MIN_SAMPLES, CkaAccumulator
from met2net.analysis.feature_hooks import layer_features, listed_layers
from met2net.checkpoint import Checkpoint
from met2net.data.channel_roles import hidden_places, seen_channels, seen_places
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from met2net.forecasting.network_forecast import as_trained
from met2net.models.wrapper import Wrapper
from pipelines.atomic import write_netcdf
from pipelines.errors import DataError
from pipelines.evaluation.sample_properties import channel_densities, network_costs
from pipelines.run_folder import RunFolder
from pipelines.training_sets.windows import load_fitting, windows_in_split

__all__ = ["analyze", "cka_between_layers", "cka_by_layer", "hooked_layers", "spread_batches"]

_BATCH_SIZE = 16

Trace = Callable[..., Mapping[str, Tensor]]  # what the network takes -> layer -> B V features

logger = logging.getLogger(__name__)


def analyze(
    training_set: Path,
    *,
    window: WindowSpec,
    split: str,
    checkpoints: Mapping[str, Path],
    out: Path,
    num_samples: int = 64,
    seed: int = 0,
) -> Path:
    """Compute CKA of every checkpoint, and attention of those that offer it.

    Args:
        training_set: Zarr store made by `pipelines.training_sets.prepare`.
        window: frames; those of the checkpoints must be the same.
        split: `train`, `validation` or `test`.
        checkpoints: model name -> checkpoint file. Every network gets CKA between its layers,
            one with `trace` also between variables, one with `attention_maps` attention.
        out: folder; `analysis.nc` is written into it.
        num_samples: windows, evenly spaced over the split; fewer where it has fewer.
        seed: of the order in which windows are put together into batches of 16.

    Returns:
        Path of `analysis.nc`; `variable` is predicted, `variable_2` looked at:

        - `cka_layers_<name>(layer_<name>, layer_<name>_2)`, all variables joined;
        - `cka_<name>(layer_<name>, variable, variable_2)`, and `cka_mean_<name>(layer_<name>)`,
          the mean over pairs of different variables;
        - `attention_samples_<name>(sample, block, head, variable, variable_2)` with
          `init_time(sample)`, and its means: `attention_head_<name>` over samples,
          `attention_<name>(block, ...)` also over heads, `attention_mean_<name>` also over
          blocks; `attention_std_over_samples_<name>`, `..._heads_...`, `..._blocks_...`;
          `attention_season_<name>(season, ...)`, `attention_season_change_<name>`, and
          `season_count(season)`;
        - what `pipelines.evaluation.sample_properties` gives of the inputs and the networks.

    Raises:
        DataError: if the split has fewer than 4 windows, or a checkpoint does not fit or has
            other variables.
    """
    data = TrainingSet.open(training_set)
    windows = windows_in_split(data, split, window)
    batches = spread_batches(len(windows), num_samples=num_samples, seed=seed)
    loaded = load_fitting(checkpoints, data=data, window=window, device="cpu")
    samples = [windows.batch(np.asarray(rows)) for rows in batches]
    hours = np.concatenate([sample["init_time"].numpy() for sample in samples])
    init_time = hours.astype("datetime64[h]")
    variables = list(data.variables)
    frame = xr.Dataset(
        coords={"variable": variables, "variable_2": variables},
        attrs={
            "split": split,
            "num_samples": sum(map(len, batches)),
            "seed": seed,
            "training_set": data.attrs["fingerprint"],
            "archive_snapshot": data.attrs["archive_snapshot"],
            "form": data.attrs.get("form", "weather"),
        },
    )
    fields = [sample["inputs"] for sample in samples]
    step_hours = window.input_hours[-1] - window.input_hours[-2] if window.num_inputs > 1 else 0
    seen, hidden = (places(window, data.channels) for places in (seen_places, hidden_places))
    densities = channel_densities(
        [batch[:, :, seen] for batch in fields],
        channels=seen_channels(window, data.channels),
        step_hours=step_hours,
        valid=None if data.valid is None else data.valid.of_channels(seen),
    )
    frame = frame.assign_attrs(densities.attrs)
    networks = {name: checkpoint.network for name, checkpoint in loaded.items()}
    parts = [frame, densities, network_costs(networks, fields[0], samples[0]["init_time"])]
    for name, checkpoint in loaded.items():
        _check_variables(checkpoint, name=name, data=data)
        network = checkpoint.network
        own_fields = [
            as_trained(
                batch,
                trained_with=checkpoint.normalizer,
                applied_to=data.normalizer,
                valid=checkpoint.valid,
                hidden=hidden,
            )
            for batch in fields
        ]
        # What the network is called with: the init times too, where it is in wrappers.
        inputs: list[tuple[Tensor, ...]] = [(frames,) for frames in own_fields]
        if isinstance(network, Wrapper):
            times = [sample["init_time"] for sample in samples]
            inputs = list(zip(own_fields, times, strict=True))
        own: Trace | None = getattr(network, "trace", None)
        if own is not None:
            parts.append(_cka_arrays(name, cka_by_layer(own, inputs)))
        trace = hooked_layers(network) if own is None else own
        parts.append(_layer_arrays(name, *cka_between_layers(trace, inputs)))
        attention_maps: Callable[..., Tensor] | None = getattr(network, "attention_maps", None)
        if attention_maps is not None:
            with torch.inference_mode():
                maps = torch.cat([attention_maps(*x) for x in inputs], dim=1)
            attention = attention_array(maps, variables=variables, init_time=init_time)
            parts.append(_attention_arrays(name, attention.sortby("init_time")))
    # Models may have different numbers of blocks: shorter ones are filled with NaN.
    analysis = xr.merge(parts, join="outer", compat="no_conflicts", combine_attrs="override")
    path = RunFolder(out).analysis
    write_netcdf(path, analysis)
    logger.info("analyzed %d models on %d windows: %s", len(loaded), analysis.num_samples, path)
    return path


def spread_batches(num_windows: int, *, num_samples: int, seed: int) -> list[list[int]]:
    """Choose evenly spaced windows and put them together into batches of at most 16.

    Batches are drawn from the whole span, of nearly equal size, so that none is too small
    for the unbiased estimate and none is a few hours of the same weather.

    Raises:
        DataError: if there are fewer than 4 windows, or fewer than 4 are asked.
    """
    count = min(num_windows, num_samples)
    if count < MIN_SAMPLES:
        raise DataError(
            f"found {num_windows} windows, of which {num_samples} were asked; "
            f"expected at least {MIN_SAMPLES}"
        )
    rows = np.linspace(0, num_windows - 1, count).round().astype(int)
    order = np.random.default_rng(seed).permutation(rows)
    num_batches = -(-count // _BATCH_SIZE)
    return [sorted(batch.tolist()) for batch in np.array_split(order, num_batches)]


def cka_by_layer(trace: Trace, inputs: Sequence[tuple[Tensor, ...]]) -> dict[str, np.ndarray]:
    """Compute CKA between variables (V V) at every layer, over all batches."""
    accumulators: dict[str, CkaAccumulator] = {}
    for batch in inputs:
        with torch.inference_mode():
            layers = trace(*batch)
        for layer, representations in layers.items():
            accumulators.setdefault(layer, CkaAccumulator()).add(representations)
    return {layer: accumulator.finish() for layer, accumulator in accumulators.items()}


def cka_between_layers(
    trace: Trace, inputs: Sequence[tuple[Tensor, ...]]
) -> tuple[list[str], np.ndarray]:
    """Compute CKA between all layers (L L), over all batches; give their names beside it."""
    accumulator, names = CkaAccumulator(), []
    for batch in inputs:
        with torch.inference_mode():
            layers = trace(*batch)
        names = list(layers)
        accumulator.add_layers([features.flatten(1) for features in layers.values()])
    return names, accumulator.finish()


def hooked_layers(network: nn.Module) -> Trace:
    """Make a trace of a network that has none: its listed layers, heard through hooks."""
    layers = listed_layers(network)
    return lambda *inputs: layer_features(network, *inputs, layers=layers)


def _check_variables(checkpoint: Checkpoint, *, name: str, data: TrainingSet) -> None:
    """Refuse a checkpoint that groups the channels in another way."""
    found, expected = dict(checkpoint.variables), dict(data.variables)
    if list(found.items()) != list(expected.items()):
        raise DataError(f"checkpoint {name}: found variables {found}; expected {expected}")


def _cka_arrays(name: str, by_layer: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Name the axes of one model's CKA; add the mean over pairs of different variables.

    A variable that is not seen is the same for all samples before variables meet: it has no CKA
    there, and its pairs are left out of the mean.
    """
    layer = f"layer_{name}"
    cka = np.stack(list(by_layer.values()))
    pairs = ~np.eye(cka.shape[-1], dtype=bool)
    known = np.where(pairs, cka, np.nan)
    counts = np.isfinite(known).sum(axis=(1, 2))
    mean = np.full(len(cka), np.nan)
    np.divide(np.nansum(known, axis=(1, 2)), counts, out=mean, where=counts > 0)
    return xr.Dataset(
        {
            f"cka_{name}": ((layer, "variable", "variable_2"), cka, {"units": "1"}),
            f"cka_mean_{name}": (layer, mean, {"units": "1"}),
        },
        coords={layer: list(by_layer)},
    )


def _layer_arrays(name: str, layers: list[str], cka: np.ndarray) -> xr.Dataset:
    """Name the axes of CKA between one model's layers."""
    dims = (f"layer_{name}", f"layer_{name}_2")
    return xr.Dataset(
        {f"cka_layers_{name}": (dims, cka, {"units": "1"})},
        coords=dict.fromkeys(dims, layers),
    )


def _attention_arrays(name: str, attention: xr.DataArray) -> xr.Dataset:
    """Name one model's attention, its means, its spread and its seasons."""
    means, seasons = mean_attention(attention), seasonal_attention(attention)
    arrays = {
        "samples": attention.astype(np.float32),
        "head": means["by_head"],
        "mean": means["mean"],
        **{key: means[key] for key in means if str(key).startswith("std_")},
        "season": seasons["mean"],
        "season_change": seasons["change"],
    }
    named = {f"attention_{key}_{name}": values for key, values in arrays.items()}
    dataset = xr.Dataset(named | {f"attention_{name}": means["by_block"]})
    for variable in dataset.variables.values():
        if variable.dtype.kind == "f":
            variable.attrs = {"units": "1"}
    return dataset.assign(season_count=seasons["count"])
