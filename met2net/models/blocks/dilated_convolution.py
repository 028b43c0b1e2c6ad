"""A depthwise convolution with a wide, sparse kernel that small grids do not pay for."""

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["DilatedConvolution"]


class DilatedConvolution(nn.Conv2d):
    """Depthwise 7x7 convolution at dilation 3; reaches 9 points to each side.

    On a small grid the outer taps meet nothing but padding. They are left out there, which
    changes no value.
    """

    def __init__(self, dim: int) -> None:
        super().__init__(dim, dim, 7, padding=9, dilation=3, groups=dim)

    def forward(self, fields: Float[Tensor, "n d h w"]) -> Float[Tensor, "n d h w"]:
        """Convolve with the taps that reach into the grid."""
        height, width = (min(3, (size - 1) // 3) for size in fields.shape[-2:])
        weight = self.weight[:, :, 3 - height : 4 + height, 3 - width : 4 + width]
        return nn.functional.conv2d(
            fields,
            weight,
            self.bias,
            padding=(3 * height, 3 * width),
            dilation=3,
            groups=self.groups,
        )
