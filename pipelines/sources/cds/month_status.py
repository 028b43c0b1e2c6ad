"""How far each month is, read from the manifests: from any process, at any time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pipelines.sources.cds.manifest import Manifest, Part, now

__all__ = ["MonthStatus", "Phase", "month_status"]

Phase = Literal["planned", "submitting", "queued", "running", "downloading", "verified", "failed"]

PRELIMINARY = "0005"
_ADVANCE: tuple[Phase, ...] = ("planned", "submitting", "queued", "running", "downloading",
                               "verified")  # fmt: skip


@dataclass(frozen=True)
class MonthStatus:
    """One month, as far as it got.

    Attributes:
        name: month, as `2017-01`.
        phase: that of the part that is furthest behind but has been started.
        since: when the phase began, or None.
        parts: requests that the month is made of.
        parts_received: those whose file is there.
        size: bytes on disk, of a download under way too.
        rate: of the download under way [bytes s-1], or None.
        preliminary_hours: of the files that are there: hours that are ERA5T in any of them.
        reason: why it failed, or the last passing trouble, or None.
    """

    name: str
    phase: Phase
    since: datetime | None
    parts: int
    parts_received: int
    size: int
    rate: float | None
    preliminary_hours: int
    reason: str | None


def month_status(name: str, manifest: Manifest) -> MonthStatus:
    """Tell how far a month is."""
    parts = manifest.parts
    missing = [part for part in parts if part.state != "received"]
    failed = [part for part in missing if part.failure is not None]
    phases = [_phase(part) for part in missing]
    started = [p for p in zip(phases, missing, strict=True) if p[0] != "planned"]
    leading = min(started, key=lambda p: _ADVANCE.index(p[0]), default=None)
    phase: Phase
    if failed:
        phase, since, reason = "failed", None, failed[0].failure
    elif not missing:
        phase, since, reason = "verified", _latest(parts), None
    elif leading is None:
        phase, since, reason = "planned", None, None
    else:
        phase, since, reason = leading[0], _since(leading[1], leading[0]), leading[1].trouble
    sizes = [_size(manifest.folder, part) for part in parts]
    return MonthStatus(
        name=name,
        phase=phase,
        since=since,
        parts=len(parts),
        parts_received=len(parts) - len(missing),
        size=sum(sizes),
        rate=_rate(manifest.folder, missing),
        preliminary_hours=max((_preliminary(part) for part in parts), default=0),
        reason=reason,
    )


def _phase(part: Part) -> Phase:
    if part.state == "planned":
        return "planned"
    if part.state == "intended":
        return "submitting"
    if part.state == "submitted":
        return "running" if part.status in ("running", "successful") else "queued"
    return "downloading"


def _since(part: Part, phase: Phase) -> datetime | None:
    names = {
        "submitting": "intended", "queued": "submitted", "running": "running",
        "downloading": "downloading",
    }  # fmt: skip
    # A job may be successful at the first look, without having been seen running.
    return part.moment(names[phase]) or part.moment("submitted")


def _latest(parts: Sequence[Part]) -> datetime | None:
    moments = [moment for part in parts if (moment := part.moment("received")) is not None]
    return max(moments, default=None)


def _temporary(folder: Path, part: Part) -> Path:
    return folder / f".{part.request.key}.part"


def _size(folder: Path, part: Part) -> int:
    if part.state == "received" and part.file is not None:
        return int(part.file["size"])
    try:
        return _temporary(folder, part).stat().st_size
    except FileNotFoundError:
        return 0


def _rate(folder: Path, parts: Sequence[Part]) -> float | None:
    """Give the mean rate of the downloads under way since they began."""
    rates = []
    for part in parts:
        began = part.moment("downloading")
        if part.state == "downloading" and began is not None:
            seconds = (now() - began).total_seconds()
            rates.append(_size(folder, part) / max(seconds, 0.1))
    return sum(rates) if rates else None


def _preliminary(part: Part) -> int:
    if part.state != "received" or part.file is None:
        return 0
    return int(part.file["expver"].get(PRELIMINARY, 0))
