"""Inference against the plain network: all taps, PyTorch's default layout, a loop a variable.

One sample, and the published batch of 16 as an evaluation runs it. `STEP_REPEATS` sets how
often each is timed (5; of a batch, a third of that).
"""

import os
from dataclasses import replace

import pytest
import torch

from met2net.data.normalization import Normalizer
from met2net.forecasting.network_forecast import network_forecast
from tests.benchmarks.training_steps import (
    SIZES,
    make_fast,
    make_frames,
    make_network,
    make_plain,
    quickest,
)

pytestmark = pytest.mark.bench
_REPEATS = int(os.environ.get("STEP_REPEATS", "5"))


@pytest.mark.parametrize("size", list(SIZES))
def test_inference_is_faster_than_the_plain_one(size: str, record_ratio) -> None:
    made = [
        make(SIZES[size], dtype=torch.float32, device="cpu") for make in (make_fast, make_plain)
    ]
    torch.testing.assert_close(made[0].infer(), made[1].infer(), rtol=1e-3, atol=1e-3)
    fast, plain = quickest([version.infer for version in made], repeats=_REPEATS)
    record_ratio(f"{size}, inference: plain / fast", plain / fast, bound=">= 1.5")
    assert plain / fast >= 1.5


@pytest.mark.parametrize(("size", "batch"), [("Weather_L", 16), ("ERA5", 4)])
def test_a_batch_is_forecast_faster_than_by_the_plain_network(
    size: str, batch: int, record_ratio
) -> None:
    large = replace(SIZES[size], batch=batch)
    plain = make_plain(large, dtype=torch.float32, device="cpu")
    channels = tuple(f"c{i}" for i in range(large.num_channels))
    same = Normalizer(channels, (0.0,) * len(channels), (1.0,) * len(channels))
    forecast = network_forecast(make_network(large).eval(), trained_with=same, applied_to=same)
    inputs, _ = make_frames(large, "cpu")
    runs = [torch.no_grad()(lambda: forecast(inputs, torch.arange(batch))), plain.infer]
    torch.testing.assert_close(runs[0](), runs[1](), rtol=1e-3, atol=1e-3)
    times = quickest(runs, repeats=max(1, _REPEATS // 3))
    ratio = times[1] / times[0]
    record_ratio(f"{size}, inference of {batch}: plain / fast", ratio, bound=">= 1.5")
    assert ratio >= 1.5


@pytest.mark.parametrize("size", list(SIZES))
def test_inference_in_bfloat16_is_faster_than_the_plain_one(size: str, record_ratio) -> None:
    fast = make_fast(SIZES[size], dtype=torch.bfloat16, device="cpu")
    plain = make_plain(SIZES[size], dtype=torch.float32, device="cpu")
    times = quickest([fast.infer, plain.infer], repeats=_REPEATS)
    ratio = times[1] / times[0]
    record_ratio(f"{size}, inference: plain float32 / fast bfloat16", ratio, bound=">= 1.5")
    assert ratio >= 1.5
