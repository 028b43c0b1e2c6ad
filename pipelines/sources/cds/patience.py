"""How long to wait for a service, and how often to ask."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["Patience"]

_POLL_GROWTH = 1.5


@dataclass(frozen=True)
class Patience:
    """Deadlines and pauses of an acquisition [s].

    Attributes:
        reply: longest wait for one reply of the server.
        unreachable: how long a call is repeated while the service does not answer it.
        job: how long a job may wait and run before its month is given up. The job stays on
            the server: the next run goes on waiting for it.
        first_pause: pause before the first repetition; doubles with each.
        longest_pause: bound of the pauses between repetitions and between looks at a job.
        submissions: how often one request is submitted when its jobs fail or vanish.
        downloads: how often a damaged file is fetched before it is asked for anew.

    Raises:
        ValueError: if a value is not positive.
    """

    reply: float = 60.0
    unreachable: float = 6 * 3600.0
    job: float = 3 * 24 * 3600.0
    first_pause: float = 1.0
    longest_pause: float = 120.0
    submissions: int = 3
    downloads: int = 2

    def __post_init__(self) -> None:
        """Check that every wait ends and none is empty."""
        for name, value in vars(self).items():
            if value <= 0:
                raise ValueError(f"patience.{name} is {value}; expected > 0")

    @property
    def settle(self) -> float:
        """How long a submission without reply may still turn into a job [s]."""
        return 2 * self.reply

    def pauses(self) -> Iterator[float]:
        """Give pauses between repetitions: doubled, bounded, and drawn from the upper half.

        The draw keeps programs that failed together from coming back together.
        """
        pause = self.first_pause
        while True:
            yield random.uniform(pause / 2, pause)
            pause = min(2 * pause, self.longest_pause)

    def looks(self) -> Iterator[float]:
        """Give pauses between looks at a job that is not finished."""
        pause = self.first_pause
        while True:
            yield random.uniform(0.8 * pause, pause)
            pause = min(_POLL_GROWTH * pause, self.longest_pause)
