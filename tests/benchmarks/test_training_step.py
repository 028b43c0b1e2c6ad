"""A two-stage training step against the plain one, on the CPU: time, memory, share of the peak.

`STEP_REPEATS` sets how often each is timed (3).
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.benchmarks.training_steps import (
    SIZES,
    SMALL_SIZES,
    VERSIONS,
    make_fast,
    make_plain,
    matrix_product,
    operations,
    quickest,
)

pytestmark = pytest.mark.bench
_REPEATS = int(os.environ.get("STEP_REPEATS", "3"))
_ROOT = Path(__file__).parents[2]
_CPU_FLAGS = Path("/proc/cpuinfo")


def has_bfloat16() -> bool:
    text = _CPU_FLAGS.read_text() if _CPU_FLAGS.exists() else ""
    return "avx512_bf16" in text or "amx_bf16" in text


@pytest.mark.parametrize(
    ("size", "bound"), [("Weather_L", 1.3), ("ERA5", 1.3), ("demo", 1.3), ("pearl_river", 1.2)]
)
def test_a_step_is_faster_than_the_plain_one(size: str, bound: float, record_ratio) -> None:
    made = [
        make((SIZES | SMALL_SIZES)[size], dtype=torch.float32, device="cpu")
        for make in (make_fast, make_plain)
    ]
    fast, plain = quickest([version.step for version in made], repeats=_REPEATS)
    record_ratio(f"{size}, training step: plain / fast", plain / fast, bound=f">= {bound}")
    assert plain / fast >= bound


def test_a_step_comes_near_the_peak_of_matrix_products(record_ratio) -> None:
    fast = make_fast(SIZES["Weather_L"], dtype=torch.float32, device="cpu")
    count = operations(fast.step)
    seconds, product = quickest([fast.step, matrix_product(torch.float32)], repeats=2 * _REPEATS)
    share = count / seconds / (2 * 2048**3 / product)
    record_ratio("Weather_L, step: share of the matrix product peak", share, bound=">= 0.65")
    assert share >= 0.65


@pytest.mark.skipif(not has_bfloat16(), reason="the processor has no bfloat16 arithmetic")
def test_a_step_in_bfloat16_is_twice_as_fast_as_the_plain_one(record_ratio) -> None:
    size = SIZES["Weather_L"]
    fast = make_fast(size, dtype=torch.bfloat16, device="cpu")
    plain = make_plain(size, dtype=torch.float32, device="cpu")
    both = quickest([fast.step, plain.step], repeats=_REPEATS)
    record_ratio("Weather_L, step: plain float32 / fast bfloat16", both[1] / both[0], bound=">= 2")
    assert both[1] / both[0] >= 2


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="reads Linux's /proc")
@pytest.mark.parametrize("size", list(SIZES))
def test_a_step_needs_less_memory_than_the_plain_one(size: str, record_ratio) -> None:
    peaks = {}
    for version in VERSIONS:
        done = subprocess.run(
            [sys.executable, "-m", "tests.benchmarks.training_steps", version, size],
            cwd=_ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        peaks[version] = int(done.stdout)
    ratio = peaks["fast"] / peaks["plain"]
    record_ratio(f"{size}, peak memory of a step: fast / plain", ratio, bound="<= 0.6")
    assert ratio <= 0.6
