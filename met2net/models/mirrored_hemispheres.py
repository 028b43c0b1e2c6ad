"""A forecaster that learns from both hemispheres alike."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.data.variables import channel, is_channel
from met2net.models.channels import check_input_variables
from met2net.models.wrapper import LearningProblem, Wrapper, run_network

__all__ = ["MirroredHemispheres", "check_hemispheres", "odd_channels"]

# What a mirror at the equator turns round: the wind across it, and rotation about the vertical.
_ODD = frozenset(
    {
        "northward_wind",
        "atmosphere_relative_vorticity",
        "atmosphere_absolute_vorticity",
        "ertel_potential_vorticity",
    }
)


def odd_channels(labels: Sequence[str]) -> list[str]:
    """Give the channels that change their sign where the globe is mirrored at the equator.

    A variable is told by its CF standard name; one without counts as not changing.
    """
    return [
        label
        for label in labels
        if is_channel(label) and channel(label).variable.standard_name in _ODD
    ]


def check_hemispheres(latitude: Sequence[float]) -> None:
    """Refuse latitudes [degrees north] that do not lie alike on both sides of the equator.

    Raises:
        ValueError: if they do not.
    """
    if not np.allclose(latitude, -np.asarray(latitude)[::-1], atol=1e-3):
        raise ValueError(
            f"mirrored_hemispheres is true, and latitudes go from {latitude[0]:g} to "
            f"{latitude[-1]:g}; expected the same ones on both sides of the equator"
        )


class MirroredHemispheres(Wrapper):
    """Wrap a forecaster so that weather of one hemisphere teaches it about the other.

    Mirrored at the equator, with meridional wind and vorticity of the opposite sign, the equations
    of the atmosphere keep their form (its lower boundary and the season do not). In training every
    window is shown as it is or mirrored, by chance; a forecast is the mean of the forecaster's and
    of the mirrored one that it makes of mirrored inputs, and so costs twice. Channels are
    normalized: their sign changes about their mean, which for these is near 0 on a globe.

    It stands inside wrappers that subtract a reference: what is mirrored are inputs and
    corrections, not the reference, which may know what lies where.

    Args:
        variables: groups of forecast channels in channel order.
        forecaster: builds the inner network from `variables` and `input_variables`.
        odd: channels that change their sign, see `odd_channels`.
        input_variables: channels that the forecaster is given; None: the forecast ones. Their
            names say what they are of: `v10 of the last frame` is of `v10`.

    Raises:
        ValueError: if the groups are wrong, or `odd` has a channel that there is not.
    """

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        forecaster: Callable[..., nn.Module],
        odd: Sequence[str],
        input_variables: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__()
        self.variables = check_variables(variables)
        self.input_variables = check_input_variables(input_variables, variables=self.variables)
        unknown = sorted(set(odd) - set(channel_labels(variables)))
        if unknown:
            raise ValueError(
                f"odd has {', '.join(unknown)}; expected some of "
                f"{', '.join(channel_labels(variables))}"
            )
        self.forecaster = forecaster(variables=self.variables, input_variables=self.input_variables)
        # Plain numbers: a checkpoint's network is built without memory, and only weights are read.
        self._input_signs = _signs(self.input_variables, odd)
        self._signs = _signs(self.variables, odd)

    def forward(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t2 c2 h w"]:
        """Forecast as the mean of both hemispheres' ways."""
        mirrored = run_network(self.forecaster, _mirror(inputs, self._input_signs), init_time)
        own = run_network(self.forecaster, inputs, init_time)
        return (own + _mirror(mirrored, self._signs)) / 2

    def encoded(
        self, inputs: Float[Tensor, "b t c h w"], init_time: Int64[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b t c h w"]:
        """Give the inputs as they are."""
        return inputs

    def inside(self, problem: LearningProblem) -> LearningProblem:
        """Learn the same, in training from some windows mirrored."""
        inner = replace(problem, network=self.forecaster)
        if not self.training:
            return inner
        chosen = torch.rand(len(problem.inputs), device=problem.inputs.device) < 0.5

        def some(frames: Tensor, signs: Sequence[float]) -> Tensor:
            return torch.where(chosen[:, None, None, None, None], _mirror(frames, signs), frames)

        return replace(
            inner,
            inputs=some(problem.inputs, self._input_signs),
            targets=some(problem.targets, self._signs),
            target_frames=some(problem.target_frames, self._input_signs),
        )


def _signs(groups: Mapping[str, Sequence[str]], odd: Sequence[str]) -> tuple[float, ...]:
    """Give -1 for channels that the mirror turns round; names say what channels are of."""
    turned = {*odd, "latitude"}  # whose field, mirrored and turned round, is what it was
    return tuple(
        -1.0 if turned & set(label.split(" beside ")[0].split()) else 1.0
        for label in channel_labels(groups)
    )


def _mirror(
    frames: Float[Tensor, "b t c h w"], signs: Sequence[float]
) -> Float[Tensor, "b t c h w"]:
    """Turn latitudes round, and the sign of what they turn."""
    return frames.flip(-2) * frames.new_tensor(signs)[:, None, None]
