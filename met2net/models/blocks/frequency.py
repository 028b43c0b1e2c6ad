"""The block of WaST: strips and squares of points, gated by row and column, then a mixing MLP."""

import torch
from einops import reduce
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.blocks.drop_path import DropPath
from met2net.models.blocks.memory_order import channels_last

__all__ = ["FrequencyBlock"]

_LAYER_SCALE = 1e-2  # where both residual branches start
_SHORT = 5  # width of strips and side of squares [points]
_GATE_REDUCTION = 4


class FrequencyBlock(nn.Module):
    """Two residual halves: x + scale * look(norm(x)), then x + scale * mlp(norm(x)).

    The first half adds what depthwise convolutions see far, over strips of kernel_size x 5
    points both ways (low frequencies), and near, over 5x5 points (high ones), each gated.
    The second is an inverted residual with a depthwise 7x7 convolution and squeeze-excite, all
    with batch normalization. Source: Nie et al. 2024, doi:10.1609/aaai.v38i5.28230; the
    gate: Hou et al. 2021, arXiv:2103.02907; the inverted residual: Howard et al. 2019,
    arXiv:1905.02244, in timm's form (ReLU, excitation from a quarter of the width).
    """

    def __init__(self, dim: int, *, mlp_ratio: int, kernel_size: int, drop_path: float) -> None:
        super().__init__()
        self.look_norm, self.mlp_norm = nn.BatchNorm2d(dim), nn.BatchNorm2d(dim)
        self.tall = _depthwise(dim, (kernel_size, _SHORT))
        self.wide = _depthwise(dim, (_SHORT, kernel_size))
        self.near = _depthwise(dim, (_SHORT, _SHORT))
        self.far_gate, self.near_gate = _RowColumnGate(dim), _RowColumnGate(dim)
        self.mlp = _inverted_residual(dim, hidden_dim=mlp_ratio * dim)
        self.look_scale, self.mlp_scale = (
            nn.Parameter(torch.full((dim, 1, 1), _LAYER_SCALE)) for _ in range(2)
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply both halves."""
        # Depthwise convolutions on the CPU are two to three times faster in this layout.
        fields = channels_last(fields)
        normed = self.look_norm(fields)
        far = self.far_gate(self.tall(normed) + self.wide(normed))
        near = self.near_gate(self.near(normed))
        fields = fields + self.drop_path(self.look_scale * (far + near))
        output: Tensor = fields + self.drop_path(self.mlp_scale * self.mlp(self.mlp_norm(fields)))
        return output


class _RowColumnGate(nn.Module):
    """Weigh every point of every channel by its row and by its column."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        hidden_dim = max(8, dim // _GATE_REDUCTION)
        self.squeeze = nn.Sequential(
            nn.Conv2d(dim, hidden_dim, 1), nn.BatchNorm2d(hidden_dim), nn.Hardswish()
        )
        self.row = nn.Conv2d(hidden_dim, dim, 1)
        self.column = nn.Conv2d(hidden_dim, dim, 1)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply the gate."""
        rows = reduce(fields, "n d h w -> n d h 1", "mean")
        columns = reduce(fields, "n d h w -> n d w 1", "mean")
        # One convolution and one normalization for both.
        both = self.squeeze(torch.cat([rows, columns], dim=2))
        rows, columns = both.split([fields.shape[-2], fields.shape[-1]], dim=2)
        by_column = self.column(columns).sigmoid().transpose(-1, -2)
        gated: Tensor = fields * self.row(rows).sigmoid() * by_column
        return gated


class _ReachingConvolution(nn.Conv2d):
    """Depthwise convolution without the outer taps that meet nothing but padding.

    On a small grid that changes no value and saves most of the work. Where the padding of a
    direction was taken away, since the fields come with it (`close_circle`), every tap counts.
    """

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h2 w2"]:
        """Convolve with the taps that reach into the grid."""
        assert not isinstance(self.padding, str)
        reach = [
            min(kernel // 2, size - 1) if padding else kernel // 2
            for kernel, size, padding in zip(
                self.kernel_size, fields.shape[-2:], self.padding, strict=True
            )
        ]
        padded = tuple(r if p else 0 for r, p in zip(reach, self.padding, strict=True))
        rows, columns = (
            slice(kernel // 2 - r, kernel // 2 + r + 1)
            for kernel, r in zip(self.kernel_size, reach, strict=True)
        )
        return nn.functional.conv2d(
            fields, self.weight[:, :, rows, columns], self.bias, padding=padded,
            groups=self.groups,
        )  # fmt: skip


def _depthwise(dim: int, kernel_size: tuple[int, int]) -> nn.Sequential:
    """Build a depthwise convolution and batch normalization."""
    padding = (kernel_size[0] // 2, kernel_size[1] // 2)
    return nn.Sequential(
        _ReachingConvolution(dim, dim, kernel_size, padding=padding, groups=dim),
        nn.BatchNorm2d(dim),
    )


class _SqueezeExcite(nn.Module):
    """Weigh channels by the mean of the field."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.weights = nn.Sequential(
            nn.Conv2d(dim, dim // 4, 1), nn.ReLU(), nn.Conv2d(dim // 4, dim, 1), nn.Sigmoid()
        )

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Apply the weights."""
        weighted: Tensor = fields * self.weights(reduce(fields, "n d h w -> n d 1 1", "mean"))
        return weighted


def _inverted_residual(dim: int, *, hidden_dim: int) -> nn.Sequential:
    """Build 1x1, depthwise 7x7, squeeze-excite and 1x1, normalized, without a skip."""
    return nn.Sequential(
        nn.Conv2d(dim, hidden_dim, 1, bias=False),
        nn.BatchNorm2d(hidden_dim),
        nn.ReLU(),
        nn.Conv2d(hidden_dim, hidden_dim, 7, padding=3, groups=hidden_dim, bias=False),
        nn.BatchNorm2d(hidden_dim),
        nn.ReLU(),
        _SqueezeExcite(hidden_dim),
        nn.Conv2d(hidden_dim, dim, 1, bias=False),
        nn.BatchNorm2d(dim),
    )
