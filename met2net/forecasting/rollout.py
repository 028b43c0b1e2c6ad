"""Lead times past the trained horizon, where a network's forecasts can be its next inputs."""

import numpy as np

from met2net.data.windows import WindowSpec

__all__ = ["rollout_hours"]


def rollout_hours(window: WindowSpec, *, num_leads: int | None) -> tuple[int, ...]:
    """Give the lead times of a forecast [hours after the init time].

    Up to the trained number they are the window's first ones; past it, they continue its
    spacing.

    Args:
        window: that the network was trained on.
        num_leads: how many; None: the trained ones.

    Raises:
        ValueError: if `num_leads` is below 1 or no whole number, or a roll-out is needed whose
            next inputs would not be as far apart as the trained ones.
    """
    trained = window.target_hours
    if num_leads is None:
        return trained
    if not isinstance(num_leads, int | np.integer) or num_leads < 1:
        raise ValueError(f"num_leads is {num_leads}; expected a whole number, at least 1")
    if num_leads <= len(trained):
        return trained[:num_leads]
    frames = (*window.input_hours, *trained)
    steps = {later - earlier for earlier, later in zip(frames, frames[1:], strict=False)}
    if len(steps) > 1:
        raise ValueError(
            f"{num_leads} lead times need a roll-out past the trained {len(trained)}, but the "
            f"frames {frames} [hours from the init time] are not equally spaced; expected "
            "targets that continue the inputs"
        )
    step = steps.pop()
    return tuple(step * number for number in range(1, num_leads + 1))
