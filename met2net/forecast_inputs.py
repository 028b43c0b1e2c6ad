"""What a forecaster is given: arrays, init times and Datasets, checked."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int64

from met2net.checkpoint import Checkpoint
from met2net.data.channel_roles import seen_places
from met2net.data.dataset_fields import DatasetFields
from met2net.data.physical_limits import check_inputs
from met2net.data.windows import hours_since_epoch

__all__ = ["InitTime", "check_frames", "init_hours", "input_times", "plain_numbers"]

InitTime = Sequence[np.datetime64 | str | int] | np.ndarray
"""Init times, UTC: `datetime64`, texts that NumPy reads as such, or hours since 1970-01-01T00."""

_MOST_HOURS = 2_562_047  # of datetime64[ns], 292 years; seconds since 1970 pass it in a month


def init_hours(init_time: InitTime) -> Int64[np.ndarray, " b"]:
    """Give whole hours since 1970-01-01T00 UTC.

    Raises:
        ValueError: if a time cannot be read, does not lie on a full hour, or is a number that
            counts something else than hours.
    """
    given = np.atleast_1d(np.asarray(init_time))
    if given.ndim != 1:
        raise ValueError(f"init_time has {given.ndim} axes; expected one, a time a sample")
    if np.issubdtype(given.dtype, np.integer):
        if given.size and max(abs(int(given.min())), abs(int(given.max()))) > _MOST_HOURS:
            raise ValueError(
                f"init_time goes up to {given.max()}; expected whole hours since 1970-01-01T00 "
                "(not seconds or nanoseconds), datetime64 or texts such as 2026-04-07T12"
            )
        return given.astype(np.int64)
    if given.dtype.kind not in "MUSO":
        raise ValueError(
            f"init_time is of type {given.dtype}; expected datetime64, texts such as "
            "2026-04-07T12, or whole hours since 1970-01-01T00"
        )
    return hours_since_epoch(given.astype("datetime64[ns]"))


def plain_numbers(inputs: np.ndarray) -> np.ndarray:
    """Give real numbers; what is masked has no value, whatever lies under the mask.

    Raises:
        TypeError: if it is no NumPy array of real numbers.
    """
    if not isinstance(inputs, np.ndarray):
        raise TypeError(
            f"inputs are a {type(inputs).__module__}.{type(inputs).__name__}; expected a "
            "numpy.ndarray in physical units, (sample, frame, channel, latitude, longitude); "
            "of a tensor, give .cpu().numpy()"
        )
    if inputs.dtype.kind not in "fiu":
        raise TypeError(f"inputs are of type {inputs.dtype}; expected real numbers")
    if isinstance(inputs, np.ma.MaskedArray):
        floats = inputs.astype(np.result_type(inputs, np.float32))
        return np.asarray(np.ma.filled(floats, np.nan))
    return inputs


def check_frames(
    checkpoint: Checkpoint, inputs: Float[np.ndarray, "b t c h w"], hours: Sequence[str] = ()
) -> None:
    """Refuse arrays of another shape, and values that no weather has.

    Args:
        checkpoint: whose inputs they are to be.
        inputs: of the channels that are seen, physical units.
        hours: of the frames, for messages.

    Raises:
        ValueError: saying what was found and expected.
    """
    labels = checkpoint.input_channels
    valid = checkpoint.valid
    if valid is not None:
        valid = valid.of_channels(seen_places(checkpoint.window, checkpoint.normalizer.channels))
    expected = (checkpoint.window.num_inputs, len(labels), *checkpoint.grid.shape)
    if inputs.ndim != 5 or inputs.shape[1:] != expected:
        raise ValueError(
            f"inputs have shape {inputs.shape[1:]} a sample; expected {expected}: "
            f"{expected[0]} frames of {', '.join(labels)}, latitudes and longitudes"
        )
    is_finite = np.isfinite(inputs)
    if valid is not None:
        is_finite |= ~valid.mask
        inputs = valid.blanked(inputs)  # what stands there is not looked at
    is_bad = ~is_finite.all(axis=(0, 1, 3, 4))
    if is_bad.any():
        wrong = ", ".join(np.asarray(labels)[is_bad])
        allowed = () if valid is None else valid.masked(labels)
        wanted = "none" if not allowed else (
            f"none but at the points where {', '.join(allowed)} had no value in training"
        )  # fmt: skip
        raise ValueError(f"inputs hold values that are not finite in {wrong}; expected {wanted}")
    check_inputs(inputs, labels, grid=checkpoint.grid, hours=hours)


def input_times(
    fields: DatasetFields, *, start: np.datetime64, hours: tuple[int, ...]
) -> np.ndarray:
    """Give the input times, after checking that the dataset has each of them once.

    Args:
        fields: the dataset.
        start: init time.
        hours: of the frames, relative to it.

    Raises:
        ValueError: if it has no axis of time, or lacks an hour or has it twice, or `start` is none.
    """
    held = fields.dataset.coords.get("time")
    if held is None or held.dtype.kind != "M":
        found = "none" if held is None else f"one of {held.dtype}"
        raise ValueError(
            f"dataset has no axis 'time' of datetime64 (found {found}); expected hours, UTC"
        )
    if start != start.astype("datetime64[h]"):
        raise ValueError(f"init_time {start} does not lie on a full hour")
    times: np.ndarray = start + np.asarray(hours).astype("timedelta64[h]")
    missing = times[~np.isin(times, held.values)]
    if len(missing):
        shown = ", ".join(str(time.astype("datetime64[h]")) for time in missing)
        raise ValueError(
            f"dataset has no fields at {shown}; expected {len(hours)} hours up to the init time"
        )
    several = [time for time in times if (held.values == time).sum() > 1]
    if several:
        shown = ", ".join(str(time.astype("datetime64[h]")) for time in several)
        raise ValueError(f"dataset has {shown} more than once; expected each hour once")
    return times
