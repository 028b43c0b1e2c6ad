"""How long requests took so far, and what that says about the rest."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from statistics import median, quantiles

from pipelines.sources.cds.manifest import Part

__all__ = ["WaitingTimes", "waiting_times"]

_STAGES = {
    "queued": ("submitted", "running"),
    "ready": ("submitted", "downloading"),
    "transfer": ("downloading", "verified"),
    "whole": ("intended", "received"),
}


@dataclass(frozen=True)
class WaitingTimes:
    """Durations of requests that are done [s].

    Attributes:
        num_requests: how many there are.
        queued: median from submission to being seen running; None where none was seen so.
        ready: median from submission to a finished job.
        ready_slowest_tenth: nine in ten were ready within this.
        transfer: median of download and check.
        whole: median from first to last.
    """

    num_requests: int
    queued: float | None
    ready: float | None
    ready_slowest_tenth: float | None
    transfer: float | None
    whole: float | None

    def remaining(self, num_requests: int, *, max_in_flight: int) -> timedelta | None:
        """Estimate how long further requests will take, or None before the first is done.

        The service runs few requests of one account at once, so that their rate is what was
        observed: whole durations over those that were under way together.
        """
        if self.whole is None:
            return None
        return timedelta(seconds=self.whole * num_requests / max_in_flight)

    def as_dict(self) -> dict[str, float | int | None]:
        """Give all values, rounded to tenths of a second, for logs and artifacts."""
        return {
            name: round(value, 1) if isinstance(value, float) else value
            for name, value in vars(self).items()
        }


def waiting_times(parts: Iterable[Part]) -> WaitingTimes:
    """Summarize the requests whose file is there."""
    done = [part for part in parts if part.state == "received"]
    seconds = {
        stage: [s for part in done if (s := _between(part, *ends)) is not None]
        for stage, ends in _STAGES.items()
    }
    ready = seconds["ready"]
    return WaitingTimes(
        num_requests=len(done),
        queued=median(seconds["queued"]) if seconds["queued"] else None,
        ready=median(ready) if ready else None,
        ready_slowest_tenth=quantiles(ready, n=10)[-1] if len(ready) > 1 else None,
        transfer=median(seconds["transfer"]) if seconds["transfer"] else None,
        whole=median(seconds["whole"]) if seconds["whole"] else None,
    )


def _between(part: Part, first: str, last: str) -> float | None:
    start, end = part.moment(first), part.moment(last)
    return None if start is None or end is None else (end - start).total_seconds()
