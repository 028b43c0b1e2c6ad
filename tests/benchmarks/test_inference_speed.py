"""Inference against the plain network: all taps, PyTorch's default layout, a loop a variable."""

import os

import pytest
import torch

from tests.benchmarks.training_steps import SIZES, make_fast, make_plain, quickest

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
