"""Channels that forecasts only start from, and channels that they only give.

Sea surface temperature may be known and not be asked for (`input_only`); precipitation may be asked
for and not be known at the init time (`output_only`). `WindowSpec` says which they are. Inside, a
sample keeps all channels: input frames hold `FILL` where a channel is not seen, and what a network
gives of a channel that nobody asks for is dropped, left out of losses and not scored.
"""

from collections.abc import Mapping, Sequence

from met2net.data.windows import ROLES, WindowSpec

__all__ = [
    "check_roles", "forecast_channels", "forecast_places", "forecast_variables", "hidden_places",
    "seen_channels", "seen_places",
]  # fmt: skip


def check_roles(window: WindowSpec, channels: Sequence[str]) -> None:
    """Refuse roles of channels that there are not.

    Raises:
        ValueError: if one is unknown, or none is left to be seen or to be forecast.
    """
    for role in ROLES:
        named = getattr(window, role) or ()
        unknown = [label for label in named if label not in channels]
        if unknown:
            raise ValueError(
                f"window.{role} has {', '.join(unknown)}; expected some of {', '.join(channels)}"
            )
        if len(named) == len(channels):
            left = "forecast" if role == "input_only" else "seen"
            raise ValueError(
                f"window.{role} has all channels, {', '.join(named)}; expected one to be {left}"
            )


def seen_channels(window: WindowSpec, channels: Sequence[str]) -> tuple[str, ...]:
    """Give the labels of what a forecast starts from, in order."""
    return tuple(channels[place] for place in seen_places(window, channels))


def forecast_channels(window: WindowSpec, channels: Sequence[str]) -> tuple[str, ...]:
    """Give the labels of what is forecast, in order."""
    return tuple(channels[place] for place in forecast_places(window, channels))


def forecast_variables(
    window: WindowSpec, variables: Mapping[str, Sequence[str]]
) -> dict[str, tuple[str, ...]]:
    """Give the groups with what is forecast of them; none that is left empty."""
    left_out = window.input_only or ()
    groups = {
        name: tuple(label for label in labels if label not in left_out)
        for name, labels in variables.items()
    }
    return {name: labels for name, labels in groups.items() if labels}


def seen_places(window: WindowSpec, channels: Sequence[str]) -> list[int]:
    """Give the places of what a forecast starts from."""
    return _places(channels, without=window.output_only or ())


def forecast_places(window: WindowSpec, channels: Sequence[str]) -> list[int]:
    """Give the places of what is forecast."""
    return _places(channels, without=window.input_only or ())


def hidden_places(window: WindowSpec, channels: Sequence[str]) -> list[int]:
    """Give the places of what is forecast and not seen, in order."""
    return sorted(channels.index(label) for label in window.output_only or ())


def _places(channels: Sequence[str], *, without: Sequence[str]) -> list[int]:
    """Number the channels, some left out."""
    return [place for place, label in enumerate(channels) if label not in without]
