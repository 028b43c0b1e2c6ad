"""Look inside trained networks: CKA between variables by layer, and variable attention."""

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from einops import reduce
from torch import Tensor

from met2net.analysis.cka import MIN_SAMPLES, CkaAccumulator
from met2net.checkpoint import Checkpoint
from met2net.forecast_function import renormalize
from met2net.training_set import TrainingSet
from met2net.windows import WindowSpec
from pipelines.atomic import write_netcdf
from pipelines.errors import DataError
from pipelines.evaluation_inputs import load_fitting, windows_in_split

__all__ = ["analyze", "cka_by_layer", "mean_attention", "spread_batches"]

_BATCH_SIZE = 16

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
    """Compute CKA and mean attention of every checkpoint that offers them.

    Args:
        training_set: Zarr store made by `pipelines.prepare`.
        window: frames; those of the checkpoints must be the same.
        split: `train`, `validation` or `test`.
        checkpoints: model name -> checkpoint file. A network with `trace` gets CKA, one with
            `attention_maps` gets attention, any other is left out.
        out: folder; `analysis.nc` is written into it.
        num_samples: windows, evenly spaced over the split; fewer where it has fewer.
        seed: of the order in which windows are put together into batches of 16.

    Returns:
        Path of `analysis.nc`: `cka_<name>(layer_<name>, variable, variable_2)`,
        `cka_mean_<name>(layer_<name>)`, the mean over pairs of different variables,
        `attention_<name>(block, variable, variable_2)`, the mean over samples and heads
        (`variable` is predicted, `variable_2` looked at), and
        `attention_mean_<name>(variable, variable_2)`.

    Raises:
        DataError: if the split has fewer than 4 windows, or a checkpoint does not fit or has
            other variables.
    """
    data = TrainingSet.open(training_set)
    windows = windows_in_split(data, split, window)
    batches = spread_batches(len(windows), num_samples=num_samples, seed=seed)
    loaded = load_fitting(checkpoints, data=data, window=window, device="cpu")
    samples = [
        torch.stack([sample["inputs"] for sample in windows.__getitems__(rows)]) for rows in batches
    ]
    variables = list(data.variables)
    frame = xr.Dataset(
        coords={"variable": variables, "variable_2": variables},
        attrs={
            "split": split,
            "num_samples": sum(map(len, batches)),
            "seed": seed,
            "training_set": data.attrs["fingerprint"],
            "archive_snapshot": data.attrs["archive_snapshot"],
        },
    )
    parts = [frame]
    for name, checkpoint in loaded.items():
        _check_variables(checkpoint, name=name, data=data)
        inputs = [
            renormalize(x, source=data.normalizer, target=checkpoint.normalizer) for x in samples
        ]
        if hasattr(checkpoint.network, "trace"):
            cka = cka_by_layer(checkpoint.network.trace, inputs)
            parts.append(_cka_arrays(name, cka))
        if hasattr(checkpoint.network, "attention_maps"):
            maps = mean_attention(checkpoint.network.attention_maps, inputs)
            parts.append(_attention_arrays(name, maps))
    # Models may have different numbers of blocks: shorter ones are filled with NaN.
    analysis = xr.merge(parts, join="outer", compat="no_conflicts", combine_attrs="override")
    path = out / "analysis.nc"
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


def cka_by_layer(
    trace: Callable[[Tensor], Mapping[str, Tensor]], inputs: Sequence[Tensor]
) -> dict[str, np.ndarray]:
    """Compute CKA between variables (V V) at every layer, over all batches."""
    accumulators: dict[str, CkaAccumulator] = {}
    for batch in inputs:
        with torch.inference_mode():
            layers = trace(batch)
        for layer, representations in layers.items():
            accumulators.setdefault(layer, CkaAccumulator()).add(representations)
    return {layer: accumulator.finish() for layer, accumulator in accumulators.items()}


def mean_attention(
    attention_maps: Callable[[Tensor], Tensor], inputs: Sequence[Tensor]
) -> np.ndarray:
    """Average attention maps (block B head V V) over samples and heads: block V V."""
    total, count = 0.0, 0
    for batch in inputs:
        with torch.inference_mode():
            maps = attention_maps(batch).double()
        total = total + reduce(maps, "block b head q k -> block q k", "sum").cpu().numpy()
        count += maps.shape[1] * maps.shape[2]
    return np.asarray(total / count)


def _check_variables(checkpoint: Checkpoint, *, name: str, data: TrainingSet) -> None:
    """Refuse a checkpoint that groups the channels in another way."""
    found, expected = dict(checkpoint.variables), dict(data.variables)
    if list(found.items()) != list(expected.items()):
        raise DataError(f"checkpoint {name}: found variables {found}; expected {expected}")


def _cka_arrays(name: str, by_layer: Mapping[str, np.ndarray]) -> xr.Dataset:
    """Name the axes of one model's CKA; add the mean over pairs of different variables."""
    layer = f"layer_{name}"
    cka = np.stack(list(by_layer.values()))
    pairs = ~np.eye(cka.shape[-1], dtype=bool)
    mean = cka[:, pairs].mean(axis=1) if pairs.any() else np.full(len(cka), np.nan)
    return xr.Dataset(
        {
            f"cka_{name}": ((layer, "variable", "variable_2"), cka, {"units": "1"}),
            f"cka_mean_{name}": (layer, mean, {"units": "1"}),
        },
        coords={layer: list(by_layer)},
    )


def _attention_arrays(name: str, maps: np.ndarray) -> xr.Dataset:
    """Name the axes of one model's attention; add the mean over blocks."""
    pair = ("variable", "variable_2")
    return xr.Dataset(
        {
            f"attention_{name}": (("block", *pair), maps, {"units": "1"}),
            f"attention_mean_{name}": (pair, maps.mean(axis=0), {"units": "1"}),
        },
        coords={"block": np.arange(len(maps))},
    )
