"""JAX starts with one thread, and leaves the environment as it was."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.sources import repeatable_jax
from tests.simulator import needs_simulator

_SIMULATE = """
import os, sys
os.sched_setaffinity(0, set(map(int, sys.argv[2].split(","))))
from pathlib import Path
import numpy as np
from pipelines.sources.simulated_days import simulate_days
fields = Path(sys.argv[1])
clock = np.datetime64("2000-12-31T23", "h")
simulate_days(2, clock=clock, before=0, state=fields.with_suffix(".state"), fields=fields)
"""


@pytest.mark.parametrize("flags", [None, "--xla_cpu_max_isa=SSE4_2"])
def test_the_environment_is_put_back_and_the_flags_of_the_user_come_last(
    monkeypatch: pytest.MonkeyPatch, flags: str | None
) -> None:
    monkeypatch.setenv("NPROC", "7")
    if flags is None:
        monkeypatch.delenv("XLA_FLAGS", raising=False)
    else:
        monkeypatch.setenv("XLA_FLAGS", flags)
    before = dict(os.environ)
    with repeatable_jax._environment():
        assert os.environ["NPROC"] == "1"
        ours = "--xla_cpu_enable_platform_dependent_math=false --xla_cpu_max_isa=AVX2"
        assert os.environ["XLA_FLAGS"] == (ours if flags is None else f"{ours} {flags}")
    assert dict(os.environ) == before


@pytest.mark.long
@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or (os.cpu_count() or 1) < 2, reason="needs two cores"
)
@needs_simulator
def test_one_core_simulates_the_weather_of_two(tmp_path: Path) -> None:
    weather = set()
    for cores in ("0", "0,1"):
        fields = tmp_path / f"{cores}.nc"
        done = subprocess.run(
            [sys.executable, "-c", _SIMULATE, str(fields), cores], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        weather.add(fields.read_bytes())
    assert len(weather) == 1
