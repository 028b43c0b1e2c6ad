"""Every option of training does what it says."""

import copy
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from lightning.pytorch.plugins import MixedPrecision
from torch import nn

from met2net.models.baselines.metaformer import TAU
from met2net.training.averaging import average_decay
from met2net.training.module import ForecastModule
from met2net.training.objective import EndToEnd
from met2net.training.repeated_blocks import recompute_activations
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import (
    VARIABLES,
    is_same,
    make_batch,
    make_met2net,
    snapshot,
)
from tests.met2net.training.test_forecast_module import make_loader, make_settings, make_trainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated"),
]


def make_module(**changes) -> ForecastModule:
    return ForecastModule(make_met2net(drop_path=0.0), TwoStage(), make_settings(**changes))


def weights(module: ForecastModule) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in module.network.parameters()])


# Mixed precision.


def test_bf16_computes_in_bf16_keeps_weights_and_validates_in_float32():
    seen = {True: set(), False: set()}
    module = make_module()
    convolution = next(m for m in module.network.modules() if isinstance(m, nn.Conv2d))
    convolution.register_forward_hook(
        lambda part, inputs, output: seen[part.training].add(output.dtype)
    )
    make_trainer(precision="bf16-mixed").fit(module, make_loader(), make_loader())
    assert seen == {True: {torch.bfloat16}, False: {torch.float32}}
    assert {w.dtype for w in module.network.parameters()} == {torch.float32}
    full = make_module()
    make_trainer().fit(full, make_loader(), make_loader())
    start = weights(make_module())
    moved, expected = weights(module) - start, weights(full) - start
    # Near, since 8 bits of mantissa are kept, and not the same.
    assert 0.9 < torch.cosine_similarity(moved, expected, dim=0) < 1


def make_fp16_trainer(*, init_scale: float, **changes):
    scaler = torch.amp.GradScaler("cpu", init_scale=init_scale)
    plugin = MixedPrecision("16-mixed", "cpu", scaler)
    return make_trainer(plugins=plugin, max_steps=1, **changes), scaler


def test_fp16_scales_losses_and_clips_gradients_at_their_true_scale():
    raw = []

    class Noting(ForecastModule):
        def _add_gradients(self, batch):
            super()._add_gradients(batch)
            raw.append(torch.cat([w.grad.flatten() for w in self.network.parameters()]).norm())

        def on_before_optimizer_step(self, optimizer):
            super().on_before_optimizer_step(optimizer)
            raw.append(torch.cat([w.grad.flatten() for w in self.network.parameters()]).norm())

    module = Noting(make_met2net(drop_path=0.0), EndToEnd(), make_settings(gradient_clip=1e-3))
    trainer, _ = make_fp16_trainer(init_scale=1024.0)
    trainer.fit(module, make_loader(), make_loader())
    scaled, clipped = raw
    network = make_met2net(drop_path=0.0).train()
    inputs, targets = make_batch(batch=5)
    (network(inputs[:2]) - targets[:2]).square().mean().backward()
    plain = torch.cat([w.grad.flatten() for w in network.parameters()]).norm()
    assert (scaled / plain).item() == pytest.approx(1024, rel=0.02)
    assert clipped.item() == pytest.approx(1e-3, rel=1e-2)


# PyTorch cannot tell a step that was left out from one that was forgotten.
@pytest.mark.filterwarnings("ignore:Detected call of `lr_scheduler.step")
def test_fp16_leaves_an_overflowing_step_out_and_scales_less():
    module = make_module()
    before = weights(module)
    trainer, scaler = make_fp16_trainer(init_scale=2.0**60)
    trainer.fit(module, make_loader(), make_loader())
    assert torch.equal(weights(module), before)
    assert scaler.get_scale() == 2.0**59


# Recomputed activations.


def run_step(module: ForecastModule) -> tuple[torch.Tensor, int]:
    """Give the gradient of one batch and the bytes kept for it between the passes."""
    kept = 0

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        nonlocal kept
        kept += tensor.numel() * tensor.element_size()
        return tensor

    inputs, targets = make_batch(batch=4, grid=(8, 12))
    torch.manual_seed(0)  # drop path
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = module.objective(module.network, inputs, targets)["loss"]
    loss.backward()
    return torch.cat([w.grad.flatten() for w in module.network.parameters()]), kept


def test_recomputed_activations_save_memory_and_change_no_bit():
    def make() -> ForecastModule:
        network = make_met2net(drop_path=0.3, num_blocks=8, latent_dim=16)
        return ForecastModule(network, TwoStage(), make_settings()).train()

    plain, recomputed = make(), make()
    assert recompute_activations(recomputed) == 16  # the momentum translator's blocks, too
    expected, kept = run_step(plain)
    gradient, kept_less = run_step(recomputed)
    assert torch.equal(gradient, expected)
    # Running statistics have moved once, counters counted once.
    assert is_same(snapshot(recomputed), snapshot(plain))
    blocks_inputs = 16 * 4 * 2 * 16 * 4 * 6 * 4  # blocks B V D h w, bytes
    assert kept_less + blocks_inputs < 0.3 * kept


def test_recomputing_changes_no_name_and_a_copy_computes_with_its_own_weights():
    network = make_met2net()
    names = list(network.state_dict())
    recompute_activations(network)
    assert list(network.state_dict()) == names
    other = copy.deepcopy(network)
    with torch.no_grad():
        for weight in other.parameters():
            weight.zero_()
    inputs, _ = make_batch()
    assert not torch.equal(other.train()(inputs), network.train()(inputs))


def test_recomputing_where_there_is_no_block_is_refused():
    with pytest.raises(ValueError, match="recompute_activations: Linear has no repeated blocks"):
        recompute_activations(nn.Linear(2, 2))


def test_baselines_have_blocks_to_recompute():
    network = TAU(
        variables=VARIABLES, num_inputs=2, num_targets=2, spatial_dim=4, latent_dim=8, num_blocks=3
    )
    assert recompute_activations(network) == 3


# Averaged weights.


def test_the_average_has_its_closed_form_is_validated_and_does_not_touch_training():
    history = []

    class Noting(ForecastModule):
        def on_train_batch_end(self, outputs, batch, batch_idx):
            history.append({k: w.clone() for k, w in self.network.named_parameters()})

    module = Noting(make_met2net(), TwoStage(), make_settings(average_decay=0.2))
    average = {k: w.clone() for k, w in module.network.named_parameters()}
    trainer = make_trainer()
    torch.manual_seed(0)
    trainer.fit(module, make_loader(), make_loader())
    # (1 + step) / (10 + step) is 2/11 for the first step; from then on 0.2 is less.
    for step, online in enumerate(history, start=1):
        share = 2 / 11 if step == 1 else 0.2
        average = {k: share * w + (1 - share) * online[k] for k, w in average.items()}
    found = dict(module.evaluated_network.named_parameters())
    for name, expected in average.items():
        torch.testing.assert_close(found[name], expected, rtol=1e-5, atol=1e-7)

    inputs, targets = make_batch(batch=5)
    error = module.evaluated_network.eval()(inputs) - targets
    val_mse = trainer.callback_metrics["val_mse"].item()
    assert val_mse == pytest.approx(error.square().mean().item(), rel=1e-5)

    plain = ForecastModule(make_met2net(), TwoStage(), make_settings())
    torch.manual_seed(0)
    make_trainer().fit(plain, make_loader(), make_loader())
    assert is_same(snapshot(module.network), snapshot(plain.network))
    assert not is_same(snapshot(module.evaluated_network), snapshot(plain.network))


def test_without_a_decay_the_network_itself_is_evaluated():
    module = make_module()
    assert module.evaluated_network is module.network


def test_an_average_keeps_less_while_it_is_short():
    assert average_decay(1, decay=0.999) == pytest.approx(2 / 11)
    assert average_decay(90, decay=0.999) == pytest.approx(0.91)
    assert average_decay(100_000, decay=0.999) == 0.999


# Compilation: in a process without the run-time checks of shapes that these tests switch on.


def run_compiled(backend: str, *, recompute: bool) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.met2net.training.compiled_run", backend,
         "recompute" if recompute else "keep"],
        check=True, cwd=Path(__file__).parents[3], stdout=subprocess.PIPE, timeout=600,
    )  # fmt: skip
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


def assert_compiled(found: dict[str, float]) -> None:
    # Encoders, decoders, and of two translators both projections and both blocks.
    assert found["parts"] == 10
    assert 0 < found["graphs"] < found["parts"]  # equal blocks share theirs
    assert found["graph_breaks"] == 0
    assert found["graphs_in_validation"] == 0
    assert found["gradient_difference"] < 1e-5
    assert found["state_difference"] < 1e-5


@pytest.mark.long
def test_recomputed_parts_are_captured_whole_and_give_the_same_gradients():
    assert_compiled(run_compiled("aot_eager", recompute=True))


@pytest.mark.long
def test_compiled_parts_give_the_same_gradients():
    if not any(shutil.which(name) for name in ("g++", "clang++", "c++")):
        pytest.skip("no C++ compiler, which torch.compile needs on the CPU")
    assert_compiled(run_compiled("inductor", recompute=False))
