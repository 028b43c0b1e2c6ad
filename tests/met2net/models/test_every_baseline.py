"""What holds for every network that stands beside Met2Net."""

import pytest
import torch
import torch.nn.functional as F

from met2net.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowSpec
from met2net.models.build import build
from met2net.training.objective import EndToEnd
from tests.met2net.models.baseline_catalogue import (
    BASELINES,
    make_published,
    make_tiny,
    tiny_settings,
)
from tests.met2net.models.model_builders import (
    VARIABLES,
    is_same,
    make_batch,
    randomize,
    snapshot,
)

every_baseline = pytest.mark.parametrize("name", BASELINES)


def wrapped(name: str, *, inner: str | None = None, num_targets: int = 2) -> dict:
    """Settings of a reference frame round the baseline, per variable on demand."""
    node = tiny_settings(name, num_targets=num_targets) | {"_partial_": True}
    del node["variables"]
    if inner == "per_variable":
        node = {
            "_target_": "met2net.models.baselines.per_variable.PerVariable",
            "_partial_": True,
            "forecaster": node,
        }
    return {
        "_target_": "met2net.models.reference_frame.ReferenceFrame",
        "variables": VARIABLES,
        "forecaster": node,
    }


def train(network: torch.nn.Module, *, steps: int, rate: float) -> list[float]:
    inputs, targets = make_batch()
    objective = EndToEnd()
    optimizer = torch.optim.Adam(network.parameters(), lr=rate)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = objective(network, inputs, targets)["loss"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


@every_baseline
def test_it_has_the_published_number_of_parameters(name):
    baseline = BASELINES[name]
    with torch.device("meta"):
        count = sum(weight.numel() for weight in make_published(name).parameters())
    assert count == baseline.parameters
    with_unused = count + baseline.unused_parameters
    assert with_unused == pytest.approx(1e6 * baseline.published_millions, rel=5e-3)


@every_baseline
@pytest.mark.parametrize("num_targets", [1, 3, 5])
def test_it_gives_any_number_of_frames_on_any_grid(name, num_targets):
    network = make_tiny(name, num_inputs=3, num_targets=num_targets)
    inputs, _ = make_batch(num_inputs=3, grid=(5, 7))
    assert network(inputs).shape == (2, num_targets, 3, 5, 7)


@every_baseline
def test_it_overfits_one_batch(name):
    network = make_tiny(name, seed=1).train()
    losses = train(network, steps=60, rate=1e-2)
    assert min(losses[-5:]) < 0.4 * losses[0]


@every_baseline
def test_evaluation_repeats_itself_and_changes_no_weight_and_no_buffer(name):
    network = randomize(make_tiny(name)).eval()
    before = snapshot(network)
    inputs, _ = make_batch()
    with torch.no_grad():
        assert torch.equal(network(inputs), network(inputs))
    assert is_same(before, snapshot(network))


@every_baseline
def test_every_weight_learns(name):
    """No dead parameters: all of them get a gradient that is not zero."""
    network = randomize(make_tiny(name)).train()
    inputs, targets = make_batch(grid=(8, 12))
    F.mse_loss(network(inputs), targets).backward()
    dead = [
        key for key, weight in network.named_parameters()
        if weight.grad is None or not weight.grad.any()
    ]  # fmt: skip
    assert dead == []


@every_baseline
def test_samples_of_a_batch_do_not_touch_each_other_in_evaluation(name):
    network = randomize(make_tiny(name)).eval()
    inputs, _ = make_batch(batch=3)
    torch.testing.assert_close(network(inputs)[1:2], network(inputs[1:2]), rtol=1e-4, atol=1e-4)


@every_baseline
def test_two_steps_in_bfloat16_keep_weights_finite_and_in_float32(name):
    network = make_tiny(name).train()
    inputs, targets = make_batch()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    before = snapshot(network)
    for _ in range(2):
        optimizer.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            forecast = network(inputs)
            loss = F.mse_loss(forecast.float(), targets)
        loss.backward()
        optimizer.step()
        assert torch.isfinite(loss)
    # The forecast keeps the number format of the last convolution; metrics turn it to float32.
    assert forecast.dtype in (torch.bfloat16, torch.float32)
    after = snapshot(network)
    assert all(torch.isfinite(value).all() for value in after.values())
    assert all(weight.dtype == torch.float32 for weight in network.parameters())
    assert not is_same(before, after)


@every_baseline
def test_its_checkpoint_gives_the_same_forecast(name, tmp_path):
    settings = tiny_settings(name)
    network = randomize(make_tiny(name))
    checkpoint = Checkpoint(
        network=network,
        settings=settings,
        normalizer=Normalizer(("u10", "v10", "t2m"), (0.1, -0.2, 285.0), (5.0, 4.0, 14.0)),
        grid=Grid((25.0, 24.0, 23.0, 22.0), (110.0, 111.0, 112.0, 113.0, 114.0, 115.0)),
        window=WindowSpec((-1, 0), (1, 2)),
        variables={key: tuple(labels) for key, labels in VARIABLES.items()},
        units=("m s-1", "m s-1", "K"),
        provenance={},
    )
    save_checkpoint(tmp_path / "model.safetensors", checkpoint)
    loaded = load_checkpoint(tmp_path / "model.safetensors")
    assert is_same(snapshot(network), snapshot(loaded.network))
    inputs, _ = make_batch()
    with torch.no_grad():
        # Tensors of a file lie at other addresses than fresh ones; where these are not
        # aligned, vectorized kernels sum in another order.
        torch.testing.assert_close(loaded.network(inputs), network(inputs))


@every_baseline
@pytest.mark.parametrize("inner", [None, "per_variable"])
def test_it_works_in_a_reference_frame_alone_and_per_variable(name, inner):
    network = build(wrapped(name, inner=inner, num_targets=3))
    network.set_scale(torch.ones(3))
    inputs, _ = make_batch()
    assert network(inputs).shape == (2, 3, 3, 4, 6)
    if inner == "per_variable":
        assert hasattr(network, "trace") == BASELINES[name].has_trace


@every_baseline
def test_a_network_of_one_variable_has_a_trace_where_it_says_so(name):
    network = make_tiny(name, variables={"wind": ["a", "b", "c"]}).train()
    assert hasattr(network, "trace") == BASELINES[name].has_trace
    if not BASELINES[name].has_trace:
        return
    before, inputs = snapshot(network), make_batch()[0]
    trace = network.trace(inputs)
    assert all(value.ndim == 3 and value.shape[:2] == (2, 1) for value in trace.values())
    assert is_same(before, snapshot(network))
    assert network.training


@every_baseline
def test_wrong_inputs_are_refused(name):
    with pytest.raises(ValueError, match="3 frames of 3 channels; expected 2 frames of 3"):
        make_tiny(name)(make_batch(num_inputs=3)[0])


@every_baseline
def test_wrong_sizes_are_refused(name):
    with pytest.raises(ValueError, match="num_targets is 0; expected at least 1"):
        make_tiny(name, num_targets=0)
