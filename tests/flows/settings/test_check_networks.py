"""Sizes that a network cannot have are refused before anything is built."""

import time

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
