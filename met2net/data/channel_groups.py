"""Groups of channels: what training sets and networks call variables."""

from collections.abc import Mapping, Sequence

__all__ = ["Variables", "channel_labels", "check_variables"]

Variables = dict[str, tuple[str, ...]]


def check_variables(variables: Mapping[str, Sequence[str]]) -> Variables:
    """Copy groups of channels, in order.

    Raises:
        ValueError: if there is no mapping, no group, a group is empty or a string, or a label is
            twice.
    """
    if not isinstance(variables, Mapping):
        raise ValueError(
            f"variables is the {type(variables).__name__} {variables!r}; expected a mapping of "
            "group names to channel labels, such as {'t2m': ['t2m'], 'wind': ['u10', 'v10']}"
        )
    if not variables:
        raise ValueError("no variables; expected at least one group of channels")
    groups: Variables = {}
    seen: set[str] = set()
    for name, labels in variables.items():
        if isinstance(labels, str) or not labels:
            raise ValueError(f"variable {name!r} is {labels!r}; expected a list of channel labels")
        for label in labels:
            if label in seen:
                raise ValueError(f"channel {label!r} occurs twice; expected once in all variables")
            seen.add(label)
        groups[name] = tuple(labels)
    return groups


def channel_labels(variables: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Give all labels in channel order: the groups one after the other."""
    return tuple(label for labels in variables.values() for label in labels)
