"""The TAU block on small grids against the same block, written plainly."""

import time
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from met2net.models.blocks.dilated_convolution import DilatedConvolution
from met2net.models.blocks.tau import TauBlock

pytestmark = pytest.mark.bench


class _Plain(nn.Module):
    """The block in PyTorch's default layout, every tap of every kernel computed."""

    def __init__(self, block: TauBlock) -> None:
        super().__init__()
        self.block = block
        for index, part in enumerate(block.gate.attention):
            if isinstance(part, DilatedConvolution):
                plain = nn.Conv2d(
                    part.in_channels, part.out_channels, 7, padding=9, dilation=3,
                    groups=part.groups,
                )  # fmt: skip
                plain.load_state_dict(part.state_dict())
                block.gate.attention[index] = plain

    def forward(self, fields: Tensor) -> Tensor:
        block = self.block
        fields = fields + block.gate_scale * block.gate(block.gate_norm(fields))
        return fields + block.mlp_scale * block.mlp(block.mlp_norm(fields))


def seconds(step: Callable[[], None], repeats: int = 7) -> float:
    step()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        step()
        times.append(time.perf_counter() - start)
    return sorted(times)[len(times) // 2]


@pytest.mark.parametrize("size", [(4, 5), (8, 16), (16, 32)])
def test_a_training_step_is_faster_than_the_plain_block(
    size: tuple[int, int], record_property: Callable[[str, object], None]
) -> None:
    torch.manual_seed(0)
    ours = TauBlock(64, mlp_ratio=4, drop_path=0.0)
    plain = _Plain(TauBlock(64, mlp_ratio=4, drop_path=0.0))
    fields = torch.randn(80, 64, *size)
    times = [seconds(lambda net=net: net(fields).sum().backward()) for net in (ours, plain)]
    ratio = times[1] / times[0]
    record_property("plain / ours", ratio)
    print(f"\nTAU block on {size[0]} x {size[1]}: plain / ours = {ratio:.2f}")
    assert ratio > 1.0
