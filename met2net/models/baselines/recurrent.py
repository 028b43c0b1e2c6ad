"""What recurrent forecasters share: a network that sees one frame and forecasts the next."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.models.channels import check_input_variables
from met2net.models.checks import check_frames, check_sizes
from met2net.models.evaluation_mode import evaluation_mode
from met2net.models.padding import pad_to_multiple

__all__ = ["RecurrentForecaster", "State", "forecast_channels", "same_convolution"]

State = dict[str, list[Tensor]]
"""What a network remembers between two frames; `hidden` holds one tensor a layer."""


class RecurrentForecaster(nn.Module, ABC):
    """Roll a network over the frames: input frames first, then its own forecasts.

    A frame of T inputs and T' targets has T + T' - 1 successors, all of which are forecast; the
    last T' are the answer, the others train the network (`forward_with_targets`). A subclass
    says how one step goes. Cells work on patches: a square of points becomes channels of one
    point, as `torch.nn.functional.pixel_unshuffle` orders them. Grids that do not fit are
    padded and the forecast is cropped.

    Channels that are seen and not forecast (the reference frame) are those of the last input
    frame in every frame that is fed back.

    Args:
        variables: groups of channels in channel order.
        num_inputs: frames T.
        num_targets: frames T'.
        input_variables: channels that the network sees; None: the same.
        patch_size: points of a patch's side.
        grid_multiple: the padded grid's sizes are multiples of it.
        periodic_longitude: as in `Met2Net`; a subclass calls `close_circle` on itself when it is
            built.

    Raises:
        ValueError: if a size is below 1, the groups are wrong, or a forecast channel is not
            among those seen.
    """

    def __init__(
        self,
        *,
        variables: Mapping[str, Sequence[str]],
        num_inputs: int,
        num_targets: int,
        input_variables: Mapping[str, Sequence[str]] | None,
        patch_size: int,
        grid_multiple: int,
        periodic_longitude: bool = False,
    ) -> None:
        super().__init__()
        check_sizes(num_inputs=num_inputs, num_targets=num_targets, patch_size=patch_size)
        self.variables = check_variables(variables)
        self.input_variables = check_input_variables(input_variables, variables=self.variables)
        self.num_inputs, self.num_targets = num_inputs, num_targets
        self.patch_size, self.grid_multiple = patch_size, grid_multiple
        self.periodic_longitude = periodic_longitude
        self.channels = forecast_channels(self.variables, self.input_variables)
        num_seen = len(channel_labels(self.input_variables))
        self._is_forecast = [channel in self.channels for channel in range(num_seen)]
        self.frame_dim = num_seen * patch_size**2  # of a frame as the first layer sees it
        self.forecast_dim = len(self.channels) * patch_size**2

    @abstractmethod
    def initial_state(self, patches: Float[Tensor, "b p h w"]) -> State:
        """Give the state before the first frame; `patches` tells batch, grid and device."""

    @abstractmethod
    def step(
        self, patches: Float[Tensor, "b p h w"], state: State
    ) -> tuple[Float[Tensor, "b p2 h w"], State]:
        """See one frame; give the forecast of the next and the new state."""

    def forward(self, inputs: Float[Tensor, "b t c h w"]) -> Float[Tensor, "b t2 c2 h w"]:
        """Forecast normalized frames."""
        return self._roll_out(inputs)[0][:, -self.num_targets :]

    def forward_with_targets(
        self,
        inputs: Float[Tensor, "b t c h w"],
        target_frames: Float[Tensor, "b t2 c h w"],
        use_truth: Bool[Tensor, "b t2-1"],
    ) -> Float[Tensor, "b t+t2-1 c2 h w"]:
        """Forecast the successor of every frame, for training.

        Args:
            inputs: as in `forward`.
            target_frames: the target frames as the network would see them.
            use_truth: where the true frame is fed instead of the network's own.
        """
        check_frames(target_frames, num_frames=self.num_targets, num_channels=inputs.shape[2])
        return self._roll_out(inputs, target_frames=target_frames, use_truth=use_truth)[0]

    @property
    def trace(self) -> Callable[[Tensor], dict[str, Tensor]]:
        """Give every layer's hidden states in the steps that give the forecast, as `Met2Net.trace`.

        Exists only for a network of one variable: with several, their representations cannot
        be told apart.
        """
        if len(self.variables) > 1:
            name = type(self).__name__
            raise AttributeError(f"{name} over {len(self.variables)} variables has no trace")
        return self._trace

    def _trace(self, inputs: Float[Tensor, "b t c h w"]) -> dict[str, Float[Tensor, "b 1 _"]]:
        """Run as inference does and keep every layer's hidden states."""
        with evaluation_mode(self):
            steps = self._roll_out(inputs)[1][-self.num_targets :]
        return {
            f"layer.{i}": rearrange(torch.stack(layer), "t b d h w -> b 1 (t d h w)")
            for i, layer in enumerate(zip(*steps, strict=True))
        }

    def _roll_out(
        self,
        inputs: Tensor,
        *,
        target_frames: Tensor | None = None,
        use_truth: Tensor | None = None,
    ) -> tuple[Tensor, list[list[Tensor]]]:
        """Give the forecasts of all successors (B T+T'-1 C H W) and hidden states by step."""
        num_seen = len(self._is_forecast)
        check_frames(inputs, num_frames=self.num_inputs, num_channels=num_seen)
        frames = self._padded(inputs)
        truth = None if target_frames is None else self._padded(target_frames)
        state = self.initial_state(self._patches(frames[:, 0]))
        forecasts: list[Tensor] = []
        hidden: list[list[Tensor]] = []
        for time in range(self.num_inputs + self.num_targets - 1):
            ahead = time - self.num_inputs
            if ahead < 0:
                frame = frames[:, time]
            else:
                frame = self._fed_back(frames[:, -1], forecasts[-1])
                if truth is not None and use_truth is not None:
                    mask = use_truth[:, ahead, None, None, None]
                    frame = torch.where(mask, truth[:, ahead], frame)
            patches, state = self.step(self._patches(frame), state)
            forecasts.append(F.pixel_shuffle(patches, self.patch_size))
            hidden.append(state["hidden"])
        height, width = inputs.shape[-2:]
        return torch.stack(forecasts, dim=1)[..., :height, :width], hidden

    def _fed_back(self, last_input: Tensor, forecast: Tensor) -> Tensor:
        """Make a frame of a forecast: channels that are not forecast stay as they were."""
        if len(self.channels) == len(self._is_forecast):
            return forecast
        own = iter(torch.split(forecast.to(last_input.dtype), 1, dim=1))
        seen = torch.split(last_input, 1, dim=1)
        return torch.cat(
            [
                next(own) if is_forecast else channel
                for channel, is_forecast in zip(seen, self._is_forecast, strict=True)
            ],
            dim=1,
        )

    def _padded(self, frames: Tensor) -> Tensor:
        """Pad the grid of all frames."""
        folded = rearrange(frames, "b t c h w -> (b t) c h w")
        padded = pad_to_multiple(
            folded, self.grid_multiple, periodic_longitude=self.periodic_longitude
        )
        return rearrange(padded, "(b t) c h w -> b t c h w", b=len(frames))

    def _patches(self, frame: Tensor) -> Tensor:
        """Turn points of a patch into channels."""
        return F.pixel_unshuffle(frame, self.patch_size)


def forecast_channels(
    variables: Mapping[str, Sequence[str]], input_variables: Mapping[str, Sequence[str]]
) -> tuple[int, ...]:
    """Find the forecast channels among those that a network sees.

    Raises:
        ValueError: if one is not there, or they stand in another order.
    """
    seen, wanted = channel_labels(input_variables), channel_labels(variables)
    missing = [label for label in wanted if label not in seen]
    if missing:
        raise ValueError(
            f"input_variables lacks {', '.join(missing)}; expected every forecast channel, "
            "since forecasts are fed back"
        )
    channels = tuple(seen.index(label) for label in wanted)
    if list(channels) != sorted(channels):
        raise ValueError(
            f"forecast channels {', '.join(wanted)} stand in another order among the inputs: "
            f"{', '.join(seen)}"
        )
    return channels


def same_convolution(in_dim: int, out_dim: int, *, kernel_size: int) -> nn.Conv2d:
    """Build a convolution without bias that keeps the grid.

    Raises:
        ValueError: if the kernel size is not an odd number.
    """
    if kernel_size < 1 or kernel_size % 2 == 0:
        raise ValueError(f"kernel_size is {kernel_size}; expected an odd number")
    return nn.Conv2d(in_dim, out_dim, kernel_size, padding=kernel_size // 2, bias=False)
