import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from met2net.training.flops import BACKWARD_FLOPS
from met2net.training.module import ForecastModule
from met2net.training.profile import matrix_product_peak, profile_training
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import is_same, make_met2net, snapshot
from tests.met2net.training.test_forecast_module import make_loader, make_settings

pytestmark = [
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated"),
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
]


def count(layer: torch.nn.Module, x: torch.Tensor) -> tuple[int, int]:
    """Multiply-adds of a layer forward, and of forward and backward."""
    totals = []
    for backward in (False, True):
        with FlopCounterMode(display=False, custom_mapping=BACKWARD_FLOPS) as counter:
            output = layer(x)
            if backward:
                output.sum().backward()
        totals.append(counter.get_total_flops() // 2)
    return totals[0], totals[1]


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_counts_by_hand_for_any_number_of_groups(groups):
    layer = torch.nn.Conv2d(8, 16, 3, padding=1, groups=groups)
    forward, both = count(layer, torch.randn(2, 8, 5, 6, requires_grad=True))
    by_hand = 2 * (5 * 6) * 16 * (8 // groups) * 9  # batch, points, out, in a group, kernel
    assert (forward, both) == (by_hand, 3 * by_hand)


def test_counts_by_hand_of_a_transposed_convolution_and_without_an_input_gradient():
    layer = torch.nn.ConvTranspose2d(8, 4, 2, stride=2)
    by_hand = 2 * (5 * 6) * 8 * 4 * 4
    assert count(layer, torch.randn(2, 8, 5, 6)) == (by_hand, 2 * by_hand)


def make_profile(**changes):
    module = ForecastModule(make_met2net(), TwoStage(), make_settings(**changes)).train()
    before = snapshot(module)
    result = profile_training(module, make_loader(samples=20), num_batches=4, num_operators=5)
    assert is_same(snapshot(module), before)  # bit for bit
    assert all(weight.grad is None for weight in module.parameters())
    return module, result


def test_a_profile_names_the_parts_of_a_step_and_leaves_the_module_as_it_is():
    _, result = make_profile(average_decay=0.9)
    names = [section.name for section in result.sections]
    assert names[:3] == ["data", "forward 1", "backward 1"]
    assert names[-2:] == ["optimizer", "copies"]
    # The parts make up the step; the profiler itself slows them down.
    assert sum(section.seconds for section in result.sections) > 0.5 * result.seconds
    assert {section.name: section.kept_bytes for section in result.sections}["forward 1"] > 0
    assert len(result.operators) == 5
    text = str(result)
    assert "forward 1" in text and "aten::" in text and "training reaches" in text


def test_operations_of_a_step_are_those_of_its_stages():
    module, result = make_profile()
    inputs, targets = torch.randn(2, 2, 2, 3, 4, 6)
    with FlopCounterMode(display=False, custom_mapping=BACKWARD_FLOPS) as counter:
        module.objective(module.network, inputs, targets)["loss"].backward()
    assert result.multiply_adds == counter.get_total_flops() / 2
    assert 0 < result.achieved_share < 1


def test_too_few_batches_are_refused():
    module = ForecastModule(make_met2net(), TwoStage(), make_settings())
    with pytest.raises(ValueError, match="3 batches; expected at least 12 to measure"):
        profile_training(module, make_loader(), num_batches=5)


def test_a_peak_is_a_matrix_product_s_multiply_adds_a_second():
    # Between one million and 100 million million a second: any processor of this century.
    assert 1e6 < matrix_product_peak(torch.float32, device="cpu", size=256) < 1e14


def test_the_oracle_counts_a_depthwise_weight_gradient_too_high():
    # Once PyTorch counts it right, `flops.py` can go.
    x = torch.randn(1, 8, 5, 6, requires_grad=True)
    weight = torch.randn(8, 1, 3, 3, requires_grad=True)
    with FlopCounterMode(display=False) as counter:
        F.conv2d(x, weight, padding=1, groups=8).sum().backward()
    assert counter.get_total_flops() > 3 * 2 * (5 * 6) * 8 * 9
