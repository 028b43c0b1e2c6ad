import pytest
import torch

from met2net.models.baselines.simvp import SimVP
from tests.met2net.models.model_builders import VARIABLES, make_batch, randomize


def make_simvp(*, variables=VARIABLES, **changes) -> SimVP:
    torch.manual_seed(0)
    sizes = {"spatial_dim": 4, "latent_dim": 8, "num_blocks": 2, "num_scales": 2}
    return SimVP(variables=variables, num_inputs=2, num_targets=3, **{**sizes, **changes})


def test_trace_names_every_layer_of_the_u_and_ends_at_the_forecast():
    network = randomize(make_simvp(variables={"all": ["a", "b", "c"]})).eval()
    inputs, _ = make_batch()
    trace = network.trace(inputs)
    assert list(trace) == [
        "encoder.0", "encoder.1", *(f"translator.{i}" for i in range(4)), "decoder.0", "decoder.1",
    ]  # fmt: skip
    assert trace["translator.3"].shape == (2, 1, 3 * 4 * 2 * 3)
    last = trace["decoder.1"].unflatten(-1, (3, 4, 4, 6))[:, 0].flatten(end_dim=1)
    forecast = network.decoder[-1](last).unflatten(0, (2, 3))
    torch.testing.assert_close(forecast, network(inputs))


def test_the_encoder_s_first_layer_reaches_the_forecast_past_the_translator():
    network = randomize(make_simvp()).eval()
    inputs, _ = make_batch()
    with torch.no_grad():
        for weight in network.blocks.parameters():
            weight.zero_()
    changed = inputs + torch.arange(6.0)
    assert not torch.equal(network(inputs), network(changed))


@pytest.mark.parametrize("down_sampling", [True, False])
def test_the_grid_may_be_kept(down_sampling):
    network = make_simvp(down_sampling=down_sampling)
    assert network(make_batch(grid=(3, 5))[0]).shape == (2, 3, 3, 3, 5)


@pytest.mark.parametrize("name", ["num_blocks", "latent_dim"])
def test_fewer_than_two_blocks_or_latent_channels_are_refused(name):
    with pytest.raises(ValueError, match=f"{name} is 1; expected at least 2"):
        make_simvp(**{name: 1})
