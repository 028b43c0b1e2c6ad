"""What a linear forecast looks at: frames, points around, bands of latitudes, parts of the day."""

from collections.abc import Sequence
from typing import Any

from met2net.data.windows import WindowSpec
from met2net.models.linear_forecast import LinearForm
from met2net.models.seasonal_cycle import NUM_SEASONS

__all__ = ["linear_form", "linear_settings"]

_LAGS = (0, 1, 2, 3, 5, 8)  # frames back from the last; the oldest comes on top
_MOST_PREDICTORS = 1_024  # the work a window grows with the square
_STENCILS = (7, 5, 3)  # the widest with at most so many predictors
_MOST_STENCIL_PREDICTORS = 600
_ROWS_A_BAND = 4
_DAY_PARTS = 8
_LEAST_ROWS = 16  # of a grid with bands


def linear_form(num_inputs: int, shape: Sequence[int]) -> LinearForm:
    """Choose what a linear forecast looks at: as much as can be fitted in about a minute.

    Frames are those 0, 1, 2, 3, 5 and 8 back from the last and the oldest, as many of them as
    there are. Where these are at most 1,024 numbers, it sees the whole field, with weights of its
    own for every three hours of the day: a sea breeze follows the clock. Else it sees the
    widest square of 7, 5 or 3 points around a point with at most 600 predictors (3 in any case),
    with weights of its own for every four latitudes of a grid with 16 or more.

    Args:
        num_inputs: input frames.
        shape: channels, latitudes and longitudes.
    """
    oldest = num_inputs - 1
    frames = tuple(sorted({oldest - lag for lag in _LAGS if lag <= oldest} | {0}))
    whole = LinearForm(frames, num_day_parts=_DAY_PARTS)
    if whole.num_predictors(shape[0], shape[1:]) <= _MOST_PREDICTORS:
        return whole
    num_bands = shape[1] // _ROWS_A_BAND if shape[1] >= _LEAST_ROWS else 1
    for stencil in _STENCILS:
        form = LinearForm(frames, stencil, num_bands)
        if form.num_predictors(shape[0], shape[1:]) <= _MOST_STENCIL_PREDICTORS:
            break
    return form


def linear_settings(
    window: WindowSpec,
    *,
    shape: Sequence[int],
    climatology_shape: Sequence[int],
    periodic_longitude: bool = False,
    hidden: Sequence[int] = (),
) -> dict[str, Any]:
    """Give the arguments of the `LinearForecast` that suits some data, as plain values.

    Args:
        window: frames.
        shape: channels, latitudes and longitudes.
        climatology_shape: of the training set's climatology; its days and hours count.
        periodic_longitude: whether the grid goes round the globe (`Grid.is_periodic`).
        hidden: places of channels that are not seen.
    """
    form = linear_form(window.num_inputs, shape)
    return {
        "num_channels": shape[0],
        "grid_shape": list(shape[1:]),
        "input_hours": list(window.input_hours),
        "target_hours": list(window.target_hours),
        "frames": list(form.frames),
        "stencil": form.stencil,
        "num_bands": form.num_bands,
        "num_day_parts": form.num_day_parts,
        "num_seasons": 1 if climatology_shape[0] == 1 else NUM_SEASONS,
        "num_hours": climatology_shape[1],
        "periodic_longitude": periodic_longitude,
        # Only where there are any, so that what was named before keeps its name.
        **({"hidden": list(hidden)} if hidden else {}),
    }
