"""Sums of somebody's own beside those of every scoring pass: what is summed, by name."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

from torch import Tensor

__all__ = ["Summands", "add_statistics", "own_names", "own_summands", "remove_statistics"]

Summands: TypeAlias = Callable[[Tensor, Tensor, Tensor], Mapping[str, Tensor]]
"""Forecast, observation, climatology (B L C H W, normalized) -> summand of every point, by name."""

_ADDED: dict[str, tuple[tuple[str, ...], Summands]] = {}
"""Metric -> names of its sums, and what gives the summands."""


def add_statistics(metric: str, names: tuple[str, ...], summands: Summands) -> None:
    """Have every scoring pass sum these; a metric of the same name before is replaced."""
    _ADDED[metric] = (names, summands)


def remove_statistics(metric: str) -> None:
    """Sum them no more; a metric may have had none."""
    _ADDED.pop(metric, None)


def own_names() -> tuple[str, ...]:
    """Give the full names of all sums, in the order in which they are kept."""
    return tuple(f"{metric}.{name}" for metric, (names, _) in _ADDED.items() for name in names)


def own_summands(forecast: Tensor, observation: Tensor, climatology: Tensor) -> dict[str, Tensor]:
    """Give all summands by full name, in the order of `own_names`.

    Raises:
        ValueError: if a metric gives other sums than it said, or of another shape than the fields.
    """
    found: dict[str, Tensor] = {}
    for metric, (names, summands) in _ADDED.items():
        given = dict(summands(forecast, observation, climatology))
        if set(given) != set(names):
            raise ValueError(
                f"metric {metric} gives sums {', '.join(given) or 'none'}; expected "
                f"{', '.join(names)}, as its `statistics` say"
            )
        for name in names:
            if given[name].shape != forecast.shape:
                raise ValueError(
                    f"metric {metric} gives {name} of shape {tuple(given[name].shape)}; expected "
                    f"{tuple(forecast.shape)}, one number a point"
                )
            found[f"{metric}.{name}"] = given[name].double()
    return found
