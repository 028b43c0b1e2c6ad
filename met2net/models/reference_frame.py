"""Forecast differences from the last observed frame instead of whole fields."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from met2net.models.channels import channel_labels, check_variables

__all__ = ["ReferenceFrame"]


class ReferenceFrame(nn.Module):
    """Wrap a forecaster so that every frame is written relative to the last input frame.

    The forecaster sees, for every variable, the scaled differences (x - reference) / scale and,
    as further channels, the normalized reference frame itself, the same for all frames of a
    window; it gives scaled differences, and the forecast adds the reference back. A forecaster
    that gives zeros is persistence. Targets can be encoded as inputs are.

    Args:
        variables: groups of channels in channel order.
        forecaster: builds the inner network from `variables` and `input_variables`.

    Attributes:
        scale: one a channel, std of 6-hour differences in units of the channel's std; stands in
            the weights, set once by `set_scale` before training.

    Raises:
        ValueError: if the groups are wrong.
    """

    scale: Tensor

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        forecaster: Callable[..., nn.Module],
    ) -> None:
        super().__init__()
        self.variables = check_variables(variables)
        input_variables = {
            name: [*labels, *(f"{label} of the reference frame" for label in labels)]
            for name, labels in self.variables.items()
        }
        self.forecaster = forecaster(variables=self.variables, input_variables=input_variables)
        self.register_buffer("scale", torch.full((len(channel_labels(variables)),), torch.nan))
        self._has_scale = False
        self.register_load_state_dict_post_hook(_note_scale)  # type: ignore[no-untyped-call]

    def set_scale(self, scale: Float[Tensor, " c"]) -> None:
        """Set the scale of differences: difference_std / std, a channel.

        Raises:
            ValueError: if the number of channels differs or a value is not positive and finite.
        """
        if scale.shape != self.scale.shape:
            raise ValueError(
                f"scale has {len(scale)} channels; expected {len(self.scale)}: "
                f"{', '.join(channel_labels(self.variables))}"
            )
        usable = torch.isfinite(scale) & (scale > 0)
        if not bool(usable.all()):
            wrong = int(torch.nonzero(~usable)[0])
            raise ValueError(
                f"scale of {channel_labels(self.variables)[wrong]} is {float(scale[wrong])}; "
                "expected a positive finite number"
            )
        self.scale.copy_(scale)
        self._has_scale = True

    def forward(self, inputs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t2 c h w"]:
        """Forecast normalized frames."""
        reference = inputs[:, -1:]
        differences: Tensor = self.forecaster(self.encode(inputs, reference=reference))
        return differences * self._column() + reference

    def differences(
        self, frames: Float[Tensor, "b t c h w"], *, reference: Float[Tensor, "b 1 c h w"]
    ) -> Float[Tensor, "b t c h w"]:
        """Give scaled differences from the reference frame."""
        return (frames - reference) / self._column()

    def encode(
        self, frames: Float[Tensor, "b t c h w"], *, reference: Float[Tensor, "b 1 c h w"]
    ) -> Float[Tensor, "b t c2 h w"]:
        """Give what encoders see: a variable's differences, then its reference channels."""
        sizes = [len(labels) for labels in self.variables.values()]
        parts = zip(
            torch.split(self.differences(frames, reference=reference), sizes, dim=2),
            torch.split(reference.expand_as(frames), sizes, dim=2),
            strict=True,
        )
        return torch.cat([part for pair in parts for part in pair], dim=2)

    @property
    def trace(self) -> Callable[[Tensor], dict[str, Tensor]]:
        """Give the inner network's trace; exists only where that has one."""
        return self._delegate("trace")

    @property
    def attention_maps(self) -> Callable[[Tensor], Tensor]:
        """Give the inner network's attention maps; exists only where that has them."""
        return self._delegate("attention_maps")

    def _delegate(self, name: str) -> Callable[[Tensor], Any]:
        """Look the method up in the inner network and feed it encoded frames."""
        method = getattr(self.forecaster, name)
        return lambda inputs: method(self.encode(inputs, reference=inputs[:, -1:]))

    def _column(self) -> Tensor:
        """Shape the scale to broadcast over `c h w`."""
        if not self._has_scale:
            raise ValueError(
                "the scale of differences is not set; expected set_scale(difference_std / std) "
                "before the network is used"
            )
        return self.scale[:, None, None]


def _note_scale(module: nn.Module, _incompatible: object) -> None:
    """After weights were loaded, the scale is known if they held one."""
    assert isinstance(module, ReferenceFrame)
    # Python's own flag, since looking into a tensor at every step would wait for the GPU.
    module._has_scale = bool(torch.isfinite(module.scale).all())
