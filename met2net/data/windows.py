"""Windows: which hours a sample is made of, found on a time axis that may have gaps."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.utils.data import Dataset

from met2net.data.fields import Allocate, Fields, allocate_new, read_frames
from met2net.data.valid_points import FILL

__all__ = ["Sample", "WindowDataset", "ROLES", "WindowSpec", "find_windows", "hours_since_epoch"]

Sample = dict[str, Tensor]

ROLES = ("input_only", "output_only")
"""Attributes of `WindowSpec` that say which channels are only seen, or only forecast."""

_ROLE = {"left_out_if_none": True}  # no part of a name where there is none


def hours_since_epoch(time: np.ndarray) -> Int64[np.ndarray, " n"]:
    """Give whole hours since 1970-01-01T00 for a vector of datetime64.

    Raises:
        ValueError: if a time does not lie on a full hour.
    """
    hours: np.ndarray = time.astype("datetime64[h]")
    off = hours.astype(time.dtype) != time
    if np.any(off):
        raise ValueError(f"time {time[off][0]} does not lie on a full hour")
    count: Int64[np.ndarray, " n"] = hours.astype(np.int64)
    return count


@dataclass(frozen=True)
class WindowSpec:
    """A sample's frames as hours relative to its `init_time`, the last observed frame.

    Attributes:
        input_hours: offsets <= 0, increasing, the last one 0.
        target_hours: offsets > 0, increasing: the lead times.
        stride_hours: spacing of init times, counted from the first hour of the split.
        drop_last_hours: hours left out at the end of the split, before anything else.
        drop_last_windows: windows left out at the end.
        length_stride: keep the first 1/n of the windows, rounded up, instead of every n-th; two
            numbers: of the training split, and of the two others.
        input_only: labels of channels that forecasts start from and do not give; None: none
            (`met2net.data.channel_roles`).
        output_only: labels of channels that are forecast and not seen; None: none.

    The three before the roles are 0, 0 and 1 unless published numbers are to be met: they are
    habits of the code released with the Met2Net paper, whose window counts show them. Its readers
    drop the last hour and the last window of every split; its ERA5 reader divides its length
    by a stride, another one in training, that it then does not use to find a window.

    Raises:
        ValueError: if an offset is on the wrong side of the init time or out of order, a
            number is out of range, or a channel is named twice.
    """

    input_hours: tuple[int, ...]
    target_hours: tuple[int, ...]
    stride_hours: int = 1
    drop_last_hours: int = 0
    drop_last_windows: int = 0
    length_stride: int | tuple[int, int] = 1
    input_only: Sequence[str] | None = field(default=None, metadata=_ROLE)
    output_only: Sequence[str] | None = field(default=None, metadata=_ROLE)

    def __post_init__(self) -> None:
        """Check order and sides of the offsets."""
        object.__setattr__(self, "input_hours", tuple(self.input_hours))
        object.__setattr__(self, "target_hours", tuple(self.target_hours))
        if not isinstance(self.length_stride, int):
            object.__setattr__(self, "length_stride", tuple(self.length_stride))
        for name, hours in (("input_hours", self.input_hours), ("target_hours", self.target_hours)):
            if not hours:
                raise ValueError(f"{name} is empty; expected at least one offset")
            if any(b <= a for a, b in zip(hours, hours[1:], strict=False)):
                raise ValueError(f"{name} {hours} is not increasing")
        if self.input_hours[-1] != 0:
            raise ValueError(
                f"input_hours ends at {self.input_hours[-1]}; expected 0, the init time"
            )
        if self.target_hours[0] <= 0:
            raise ValueError(f"target_hours starts at {self.target_hours[0]}; expected > 0")
        least = {"stride_hours": 1, "drop_last_hours": 0, "drop_last_windows": 0}
        for name, bound in least.items():
            if getattr(self, name) < bound:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least {bound}")
        strides = self.length_stride
        both = (strides, strides) if isinstance(strides, int) else strides
        if len(both) != 2 or min(both) < 1:
            raise ValueError(f"length_stride is {strides}; expected at least 1, one or two numbers")
        self._check_roles()

    def _check_roles(self) -> None:
        """Sort the labels, no labels as None; refuse one that is named twice."""
        named: list[str] = []
        for role in ROLES:
            labels = getattr(self, role)
            if isinstance(labels, str):  # its letters would be taken for labels
                raise ValueError(f"{role} is {labels!r}; expected a list of channel labels")
            # In one order: the same roles are one window, whoever writes them.
            object.__setattr__(self, role, tuple(sorted(labels)) if labels else None)
            named += labels or ()
        twice = sorted({label for label in named if named.count(label) > 1})
        if twice:
            raise ValueError(
                f"input_only and output_only name {', '.join(twice)} twice; expected a channel once"
            )

    @classmethod
    def regular(
        cls,
        *,
        num_inputs: int,
        num_targets: int,
        step_hours: int = 1,
        stride_hours: int = 1,
        drop_last_hours: int = 0,
        drop_last_windows: int = 0,
        length_stride: int | Sequence[int] = 1,
        input_only: Sequence[str] = (),
        output_only: Sequence[str] = (),
    ) -> "WindowSpec":
        """Build evenly spaced frames: `num_inputs` up to the init time, `num_targets` after.

        Raises:
            ValueError: if there is no input or no target, or as the class does.
        """
        for name, count in (("num_inputs", num_inputs), ("num_targets", num_targets)):
            if count < 1:
                raise ValueError(f"{name} is {count}; expected at least 1")
        inputs = tuple(step_hours * i for i in range(1 - num_inputs, 1))
        targets = tuple(step_hours * i for i in range(1, num_targets + 1))
        return cls(
            inputs, targets, stride_hours, drop_last_hours, drop_last_windows,
            _one_or_two(length_stride), input_only, output_only,
        )  # fmt: skip

    @classmethod
    def listed(
        cls,
        *,
        num_inputs: int,
        num_targets: int,
        input_hours: Sequence[int],
        target_hours: Sequence[int],
        stride_hours: int = 1,
        drop_last_hours: int = 0,
        drop_last_windows: int = 0,
        length_stride: int | Sequence[int] = 1,
        input_only: Sequence[str] = (),
        output_only: Sequence[str] = (),
    ) -> "WindowSpec":
        """Build from offsets written out, beside the numbers of frames that networks are told.

        Raises:
            ValueError: if there are not as many offsets, or as the class does.
        """
        for name, offsets, count in (
            ("input_hours", input_hours, num_inputs),
            ("target_hours", target_hours, num_targets),
        ):
            if len(offsets) != count:
                raise ValueError(f"{name} has {len(offsets)} offsets; expected {count}")
        return cls(
            tuple(input_hours), tuple(target_hours), stride_hours, drop_last_hours,
            drop_last_windows, _one_or_two(length_stride), input_only, output_only,
        )  # fmt: skip

    def of_split(self, name: str) -> "WindowSpec":
        """Give the same with the length stride of one split."""
        if isinstance(self.length_stride, int):
            return self
        return replace(self, length_stride=self.length_stride[0 if name == "train" else 1])

    @property
    def num_inputs(self) -> int:
        """Number of input frames T."""
        return len(self.input_hours)

    @property
    def num_targets(self) -> int:
        """Number of target frames T'."""
        return len(self.target_hours)

    @property
    def span_hours(self) -> int:
        """Hours from the first to the last frame, both included."""
        return self.target_hours[-1] - self.input_hours[0] + 1


def _one_or_two(length_stride: int | Sequence[int]) -> int | tuple[int, int]:
    """Take one number as it is, two as a pair."""
    if isinstance(length_stride, int):
        return length_stride
    if len(length_stride) != 2:
        raise ValueError(f"length_stride is {list(length_stride)}; expected one or two numbers")
    return length_stride[0], length_stride[1]


def find_windows(
    hours: Int64[np.ndarray, " n"], *, spec: WindowSpec, in_split: Bool[np.ndarray, " n"]
) -> Int64[np.ndarray, "windows frames"]:
    """Find every window whose frames all exist and all lie in one split.

    Args:
        hours: hours since the epoch, strictly increasing; gaps allowed.
        spec: offsets and stride.
        in_split: True for the hours of the split.

    Returns:
        Positions in `hours`, inputs then targets, a row a window in time order.

    Raises:
        ValueError: if `hours` is not strictly increasing, or the spec has two length strides
            (`spec.of_split` chooses one).
    """
    if not isinstance(spec.length_stride, int):
        raise ValueError(f"length_stride is {spec.length_stride}; expected that of one split")
    if np.any(np.diff(hours) <= 0):
        raise ValueError("hours are not strictly increasing")
    offsets = np.array(spec.input_hours + spec.target_hours)
    split_hours = hours[in_split]
    if len(split_hours) == 0:
        return np.empty((0, len(offsets)), dtype=np.int64)
    usable = in_split & (hours <= split_hours[-1] - spec.drop_last_hours)
    init = hours[usable]
    init = init[(init - split_hours[0]) % spec.stride_hours == 0]
    wanted = init[:, None] + offsets  # (windows, frames)
    position = np.minimum(np.searchsorted(hours, wanted), len(hours) - 1)
    complete = ((hours[position] == wanted) & usable[position]).all(axis=1)
    windows: Int64[np.ndarray, "windows frames"] = position[complete]
    windows = windows[: max(0, len(windows) - spec.drop_last_windows)]
    return windows[: -(-len(windows) // spec.length_stride)]


class WindowDataset(Dataset[Sample]):
    """Samples cut from one array of normalized fields.

    A sample has `inputs` (T C H W), `targets` (T' C H W) and `init_time`, hours since the
    epoch. Inputs hold `FILL` in channels that are not seen. The fields are a training set's on
    disk, any array with NumPy indexing, or a tensor: samples are made on its device.

    Attributes:
        hidden: places of channels that are not seen.
    """

    def __init__(
        self,
        fields: Fields,
        *,
        hours: Int64[np.ndarray, " time"],
        windows: Int64[np.ndarray, "windows frames"],
        spec: WindowSpec,
        hidden: Sequence[int] = (),
    ) -> None:
        """Keep references; nothing is copied or read.

        Args:
            fields: (time, C, H, W).
            hours: of the fields, since the epoch.
            windows: positions in `hours`, inputs then targets, a row a window.
            spec: that they were found with.
            hidden: places of channels that are not seen.
        """
        self._fields = fields
        self._hours = hours
        self._windows = windows
        self._num_inputs = spec.num_inputs
        self.hidden = tuple(hidden)

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, index: int) -> Sample:
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[Sample]:
        """Read several samples at once; PyTorch's loader calls it once a batch."""
        batch = self.batch(np.asarray(indices))
        return [{name: tensor[i] for name, tensor in batch.items()} for i in range(len(indices))]

    def batch(
        self, indices: Int64[np.ndarray, " b"], *, allocate: Allocate = allocate_new
    ) -> Sample:
        """Read several samples at once, stacked: `inputs` is B T C H W.

        Args:
            indices: which windows, in the order of the batch.
            allocate: gives the memory to read into.
        """
        rows, num = self._windows[indices], self._num_inputs
        return {
            "inputs": self.inputs(indices, allocate=allocate),
            "targets": read_frames(self._fields, rows[:, num:], allocate=allocate),
            "init_time": torch.from_numpy(self._hours[rows[:, num - 1]]),
        }

    def inputs(
        self, indices: Int64[np.ndarray, " b"], *, allocate: Allocate = allocate_new
    ) -> Float[Tensor, "b t c h w"]:
        """Read the input frames alone; arguments as of `batch`."""
        rows = self._windows[indices][:, : self._num_inputs]
        frames = read_frames(self._fields, rows, allocate=allocate)
        if self.hidden:
            frames[:, :, list(self.hidden)] = FILL
        return frames
