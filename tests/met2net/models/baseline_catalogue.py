"""Every network beside Met2Net, once: what the tests that hold for all of them need.

A new baseline is one entry here; `test_every_baseline.py`, `test_baseline_registration.py`
and the cost benchmark then cover it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import nn

from met2net.models.build import build
from tests.met2net.models.model_builders import SIZES, VARIABLES

_END_TO_END = {"_target_": "met2net.training.objective.EndToEnd"}


@dataclass(frozen=True)
class Baseline:
    """One network.

    Attributes:
        target: dotted name of its class.
        published_millions: parameters that the benchmark publishes, in millions, at 1 channel,
            12 frames, 32 x 64.
        parameters: ours at the same sizes, counted by hand.
        unused_parameters: weights in the published count that the published forward never
            uses and ours leaves out; `docs/baselines.md` has the arithmetic.
        tiny: arguments of a network that trains in milliseconds; variables and numbers of
            frames come on top.
        published: arguments of the published size, where they are not the defaults.
        objective: with which it is published, as settings.
        has_trace: whether one variable's network gives its layers (for CKA).
    """

    target: str
    published_millions: float
    parameters: int
    unused_parameters: int = 0
    tiny: Mapping[str, Any] = field(default_factory=lambda: dict(SIZES))
    published: Mapping[str, Any] = field(default_factory=dict)
    objective: Mapping[str, Any] = field(default_factory=lambda: dict(_END_TO_END))
    has_trace: bool = True


_SIMVP = {"spatial_dim": 4, "latent_dim": 16, "num_blocks": 2, "num_scales": 2}
_RECURRENT = {"hidden_dim": 6, "num_layers": 2, "kernel_size": 3}
_BASELINES = "met2net.models.baselines"
BASELINES: dict[str, Baseline] = {
    "simvp": Baseline(f"{_BASELINES}.simvp.SimVP", 14.67, 14_666_017, tiny=_SIMVP),
    "simvpv2": Baseline(f"{_BASELINES}.metaformer.SimVPv2", 12.76, 12_758_305, tiny=_SIMVP),
    "convnext": Baseline(f"{_BASELINES}.metaformer.ConvNeXt", 10.09, 10_087_585, tiny=_SIMVP),
    "hornet": Baseline(f"{_BASELINES}.metaformer.HorNet", 12.42, 12_416_097, tiny=_SIMVP),
    "moganet": Baseline(
        f"{_BASELINES}.metaformer.MogaNet",
        12.76,
        12_762_121,
        tiny=_SIMVP,
        published={"drop_path": 0.2},
    ),
    "poolformer": Baseline(f"{_BASELINES}.metaformer.PoolFormer", 9.98, 9_985_313, tiny=_SIMVP),
    "tau": Baseline(
        f"{_BASELINES}.metaformer.TAU",
        12.22,
        12_149_921,
        # Squeeze-excite, D -> D/16 -> D: one block at 12 * 32, seven at 256.
        unused_parameters=2 * 24 * 384 + 7 * 2 * 16 * 256,
        tiny=_SIMVP,
        objective={**_END_TO_END, "differential_divergence_weight": 0.1},
    ),
    "convlstm": Baseline(
        f"{_BASELINES}.convlstm.ConvLSTM",
        14.98,
        11_520_512,
        # Two convolutions of both states, 5x5 and 1x1, a cell.
        unused_parameters=4 * (25 + 1) * 256 * 128,
        tiny=_RECURRENT,
    ),
    "predrnn": Baseline(f"{_BASELINES}.predrnn.PredRNN", 23.57, 23_568_384, tiny=_RECURRENT),
    "predrnnpp": Baseline(
        f"{_BASELINES}.predrnnpp.PredRNNpp",
        38.31,
        35_037_184,
        # A 5x5 convolution of both memories a cell.
        unused_parameters=4 * 25 * 256 * 128,
        tiny=_RECURRENT,
    ),
    "mau": Baseline(
        f"{_BASELINES}.mau.MAU",
        5.46,
        5_450_049,
        # Two 1x1 convolutions outside the units, of two states and of two frames.
        unused_parameters=(128 + 1) * 64 + (2 + 1),
        tiny={**_RECURRENT, "history": 2},
        published={"grid": [32, 64]},
    ),
    "wast": Baseline(
        f"{_BASELINES}.wast.WaST",
        14.46,
        14_457_021,
        tiny={"encoder_dim": 3, "num_blocks": [1, 1, 1], "drop_path": 0.1},
    ),
}


def tiny_settings(
    name: str,
    *,
    variables: Mapping[str, list[str]] = VARIABLES,
    num_inputs: int = 2,
    num_targets: int = 2,
    **changes: Any,
) -> dict[str, Any]:
    """Settings of a network of milliseconds, as a checkpoint carries them."""
    baseline = BASELINES[name]
    frames = {"num_inputs": num_inputs, "num_targets": num_targets}
    return {
        "_target_": baseline.target,
        "variables": {key: list(labels) for key, labels in variables.items()},
        **frames,
        **baseline.tiny,
        **changes,
    }


def make_tiny(name: str, *, seed: int = 0, **changes: Any) -> nn.Module:
    """Build it, seeded; `changes` are those of `tiny_settings`."""
    torch.manual_seed(seed)
    network: nn.Module = build(tiny_settings(name, **changes))
    return network


def make_published(name: str, *, num_channels: int = 1, num_frames: int = 12) -> nn.Module:
    """Build the published size, all channels in one network of single-channel variables."""
    labels = {f"c{i}": [f"c{i}"] for i in range(num_channels)}
    network: nn.Module = build(
        {
            "_target_": BASELINES[name].target,
            "variables": labels,
            "num_inputs": num_frames,
            "num_targets": num_frames,
            **BASELINES[name].published,
        }
    )
    return network
