"""A schedule of the learning rate from outside the package."""

from dataclasses import dataclass


@dataclass(frozen=True)
class PowerDecay:
    """Fall from 1 to 0 as a power of the share of steps that is left."""

    power: int

    def __call__(self, step: int, *, total_steps: int) -> float:
        """Give the factor at a step."""
        return (1 - step / total_steps) ** self.power


class Endless:
    """No schedule: it does not ask for the number of steps."""

    def __call__(self, step: int) -> float:
        """Give one."""
        return 1.0
