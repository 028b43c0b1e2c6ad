"""Sizes that a network cannot have are refused before anything is built."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows.settings.check_networks import check_networks
from pipelines.errors import DataError

NETWORK = {"_target_": "met2net.models.met2net.Met2Net"}


@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"num_scales": 10**30}, f"models.m.network.num_scales is {10**30}; expected at most 1000"),
        ({"latent_dim": 10**9}, "network.latent_dim is 1000000000; expected at most 1000000"),
        ({"forecaster": {"num_blocks": 10**6}}, "network.forecaster.num_blocks is 1000000"),
        ({"sizes": [1, -(10**9)]}, "network.sizes is -1000000000; expected at most 1000000"),
    ],
)
def test_an_absurd_size_is_refused_at_once(network: dict[str, object], message: str) -> None:
    start = time.monotonic()
    with pytest.raises(DataError, match=message):
        check_networks({"m": {"network": NETWORK | network, "objective": {}}})
    assert time.monotonic() - start < 5


def test_a_network_is_checked_without_the_compiler_whose_import_takes_seconds() -> None:
    check = (
        "import sys, torch; from torch import nn\n"
        "from met2net.models.blocks.initialization import initialize_by_fan_out\n"
        "with torch.device('meta'): part = nn.Conv2d(2, 4, 3)\n"
        "initialize_by_fan_out(part); assert 'torch._dynamo' not in sys.modules"
    )
    ran = subprocess.run(
        [sys.executable, "-c", check], cwd=Path(__file__).parents[3], capture_output=True, text=True
    )
    assert ran.returncode == 0, ran.stderr
