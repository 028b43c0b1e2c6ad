"""The mean squared error of frames and of latents, weighted by channel and by area."""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from einops import rearrange
from jaxtyping import Bool, Float
from torch import Tensor, nn

from met2net.data.channel_groups import channel_labels

__all__ = ["SquaredError"]


class SquaredError(nn.Module):
    """Mean of weight * (forecast - target)^2; the weights' own mean is 1.

    A frame's weight is its channel's times its row's. A latent has neither: its variable's
    weight is the mean weight of the variable's channels, so that a variable counts the same with
    one channel or with several, and its row's weight the mean over the rows of the grid that
    the latent row covers (`of_latents`). Where one latent stands for all variables, only rows
    are weighed. Points without a value (`set_valid_points`) count nowhere in frames: the mean is
    that over the others, whatever forecast and target hold there; so it is with channels that
    nobody asks for, but where a network is to learn them all the same
    (`of_every_channel`). Latents of all variables count. The weights follow from settings,
    grid, mask and roles of channels alone, so they are no part of a saved state.

    Args:
        channel_weights: label -> weight; channels that are not named have weight 1. The
            weights are then divided by their mean.
        area_weighted: weigh rows by the area of their cells, see `set_area_weights`.

    Raises:
        ValueError: if a weight is not positive.
    """

    channels: Tensor | None
    variables: Tensor | None
    rows: Tensor | None
    valid: Tensor | None
    has_value: Tensor | None
    seen: Tensor | None

    def __init__(
        self, *, channel_weights: Mapping[str, float] | None = None, area_weighted: bool = False
    ) -> None:
        super().__init__()
        self.channel_weights = dict(channel_weights or {})
        for label, weight in self.channel_weights.items():
            if not weight > 0:
                raise ValueError(f"channel weight of {label} is {weight}; expected above 0")
        self.area_weighted = area_weighted
        self.register_buffer("channels", None, persistent=False)
        self.register_buffer("variables", None, persistent=False)
        self.register_buffer("rows", None, persistent=False)
        self.register_buffer("valid", None, persistent=False)  # what counts in forecasts
        self.register_buffer("has_value", None, persistent=False)
        self.register_buffer("seen", None, persistent=False)

    def prepare(self, network: nn.Module) -> None:
        """Bring the channel weights into the network's order.

        Raises:
            ValueError: if a weight names a channel that the network lacks.
        """
        if not self.channel_weights:
            return
        variables = network.variables
        assert isinstance(variables, Mapping)
        labels = channel_labels(variables)
        unknown = [label for label in self.channel_weights if label not in labels]
        if unknown:
            raise ValueError(
                f"channel_weights names {', '.join(unknown)}; expected some of {', '.join(labels)}"
            )
        weights = torch.tensor([float(self.channel_weights.get(label, 1.0)) for label in labels])
        self.channels = (weights / weights.mean())[:, None, None]
        parts = torch.split(weights, [len(group) for group in variables.values()])
        means = torch.stack([part.mean() for part in parts])
        self.variables = (means / means.mean())[:, None, None, None]

    def set_area_weights(self, weights: Float[Tensor, " h"]) -> None:
        """Set the weights of rows, as `Grid.area_weights` gives them; they are brought to mean 1.

        Without `area_weighted` they are not used.

        Raises:
            ValueError: if a weight is not positive and finite.
        """
        if not bool((torch.isfinite(weights) & (weights > 0)).all()):
            raise ValueError(
                f"area weights reach from {float(weights.min())} to {float(weights.max())}; "
                "expected positive finite numbers"
            )
        if self.area_weighted:
            self.rows = (weights / weights.mean()).to(torch.get_default_dtype())[:, None]

    def set_valid_points(
        self,
        valid: Bool[Tensor, "c h w"],
        *,
        asked: Bool[Tensor, " c"] | None = None,
        seen: Bool[Tensor, " c"] | None = None,
    ) -> None:
        """Leave points without a value out, and channels that nobody asks for.

        Args:
            valid: points with a value, by channel in the network's order.
            asked: channels that are forecast; None: all of them.
            seen: channels that input frames hold; None: all of them. It changes no mean here:
                an objective that compares input frames needs it.

        Raises:
            ValueError: if nothing is left.
        """
        counted = valid if asked is None else valid & asked[:, None, None]
        if not bool(counted.any()):
            raise ValueError("no point of what is forecast has a value; expected some")
        self.valid, self.has_value, self.seen = counted, valid, seen

    def forward(
        self,
        forecast: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t c h w"],
        lead_weights: Float[Tensor, "t c"] | None = None,
    ) -> Float[Tensor, ""]:
        """Give the weighted mean over what is asked for.

        Args:
            forecast: frames.
            targets: what they should be.
            lead_weights: further factors, a lead time and channel, with mean 1 over lead times.

        Raises:
            ValueError: if the area weights are missing or belong to another grid.
        """
        return self._mean(forecast, targets, lead_weights, counts=self.valid)

    def of_every_channel(
        self,
        forecast: Float[Tensor, "b t c h w"],
        targets: Float[Tensor, "b t c h w"],
        lead_weights: Float[Tensor, "t c"] | None = None,
    ) -> Float[Tensor, ""]:
        """Give the weighted mean with the channels that nobody asks for; see `forward`.

        For networks whose forecasts of these are their own inputs, and for autoencoders.
        """
        return self._mean(forecast, targets, lead_weights, counts=self.has_value)

    def _mean(
        self,
        forecast: Tensor,
        targets: Tensor,
        lead_weights: Tensor | None,
        *,
        counts: Bool[Tensor, "c h w"] | None,
    ) -> Tensor:
        """Average over what counts; over all where that is None."""
        weights = self._weights(forecast.shape[-2])
        if lead_weights is not None:
            factors = lead_weights[..., None, None]
            weights = factors if weights is None else weights * factors
        if counts is not None:
            counted = counts if weights is None else weights * counts
            # Not multiplied by 0: what stands there may be no number.
            squared = torch.where(counts, forecast - targets, 0.0).square()
            count = counted.expand(squared.shape[1:]).sum() * len(squared)
            mean: Tensor = (counted * squared).sum() / count
            return mean
        if weights is None:
            return F.mse_loss(forecast, targets)
        return (weights * (forecast - targets).square()).mean()

    def of_latents(
        self,
        found: Float[Tensor, "b v d h2 w2"],
        aim: Float[Tensor, "b v d h2 w2"],
        *,
        factor: int,
        height: int,
    ) -> Float[Tensor, ""]:
        """Give the weighted mean of latents' squared error.

        Args:
            found: latents of every variable, or of all together.
            aim: what they should be.
            factor: rows of the grid that a latent row covers; the last one may cover fewer.
            height: rows of the grid.

        Raises:
            ValueError: if the area weights are missing or belong to another grid.
        """
        weights = self.variables if found.shape[1] > 1 else None
        rows = self._rows(height)
        if rows is not None:
            rows = _means_of(rows, factor)
            weights = rows if weights is None else weights * rows
        if weights is None:
            return F.mse_loss(found, aim)
        return (weights * (found - aim).square()).mean()

    def _weights(self, height: int) -> Tensor | None:
        """Give what broadcasts over `c h w`; None where all weights are 1."""
        rows = self._rows(height)
        if rows is None or self.channels is None:
            return self.channels if rows is None else rows
        return self.channels * rows

    def _rows(self, height: int) -> Tensor | None:
        """Give the weights of rows, as a column; None where all are 1."""
        if not self.area_weighted:
            return None
        found = 0 if self.rows is None else len(self.rows)
        if self.rows is None or found != height:
            raise ValueError(
                f"area weights of {found} rows; expected {height}, set by "
                "set_area_weights(grid.area_weights())"
            )
        return self.rows


def _means_of(rows: Float[Tensor, "h 1"], factor: int) -> Float[Tensor, "h2 1"]:
    """Average so many rows at a time, what is left at the end too; their mean is 1."""
    missing = -len(rows) % factor
    padded = F.pad(rows[:, 0], (0, missing), value=torch.nan)
    means = rearrange(padded, "(h f) -> h f", f=factor).nanmean(dim=1, keepdim=True)
    weights: Tensor = means / means.mean()
    return weights
