"""What a training set is made of: channels, splits, normalization."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from met2net.data.channel_groups import channel_labels, check_variables
from met2net.data.normalization import Method, check_method
from met2net.data.variables import channel
from pipelines.training_sets.splits import Splits

__all__ = ["TrainingSetSettings"]


@dataclass(frozen=True)
class TrainingSetSettings:
    """What a training set is made of.

    Attributes:
        variables: group name -> channel labels, in order, as {"uv10": ("u10", "v10")}.
        splits: hours of each split.
        smoothing_days: width of the climatology's running mean over days, odd.
        normalization: `mean_std` or `min_max`, see `met2net.data.normalization`.

    Raises:
        ValueError: if a group is empty, a channel is unknown or named twice,
            `smoothing_days` is not odd from 1 to 365, or there is no such normalization.
    """

    variables: Mapping[str, tuple[str, ...]]
    splits: Splits
    smoothing_days: int = 61
    normalization: Method = "mean_std"

    def __post_init__(self) -> None:
        """Check groups and labels."""
        object.__setattr__(self, "variables", check_variables(self.variables))
        for label in self.channels:
            channel(label)
        if self.smoothing_days % 2 != 1 or not 1 <= self.smoothing_days <= 365:
            raise ValueError(
                f"smoothing_days is {self.smoothing_days}; expected an odd number from 1 to 365"
            )
        check_method(self.normalization)

    @property
    def channels(self) -> tuple[str, ...]:
        """All labels, group after group."""
        return channel_labels(self.variables)

    @property
    def identity(self) -> list[Any]:
        """What a training set follows from beside its input."""
        return [self.variables, self.splits.identity, self.smoothing_days, self.normalization]
