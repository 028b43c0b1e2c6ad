"""What is known of a month: its requests, their jobs and files, written down at every step."""

import json
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.fingerprint import file_sha256
from pipelines.period import Month
from pipelines.sources.cds.disk_trouble import using_disk
from pipelines.sources.cds.request import Area, CdsRequest

__all__ = ["Manifest", "Part", "State", "now", "read_manifest"]

_LAYOUT = 1
_NAME = "manifest.json"

State = Literal["planned", "intended", "submitted", "downloading", "verified", "received"]


def now() -> datetime:
    """Give the moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class Part:
    """One request of a month and how far it got.

    Attributes:
        request: what is asked.
        state: `planned`; `intended` (about to be submitted: from here on a job may exist);
            `submitted` (its id is known); `downloading`; `verified` (checked, not yet under its
            name); `received`.
        nocache: makes the request differ from earlier ones, where their answer is not wanted.
        job: the service's id.
        spent_jobs: ids of earlier jobs, which will not be taken up again.
        status: the service's word for the job.
        moments: state or status -> when it was reached first, ISO 8601.
        submissions: how often it was submitted for the present answer.
        file: name, size and sha256 of the file, and `expver`: version -> number of hours.
        failure: why the month cannot be had, or None.
        trouble: the last passing trouble, for people who wonder why it takes long.
    """

    request: CdsRequest
    state: State = "planned"
    nocache: str | None = None
    job: str | None = None
    spent_jobs: tuple[str, ...] = ()
    status: str | None = None
    moments: dict[str, str] = field(default_factory=dict)
    submissions: int = 0
    file: dict[str, Any] | None = None
    failure: str | None = None
    trouble: str | None = None

    @property
    def body(self) -> dict[str, Any]:
        """The request as it is sent."""
        return self.request.body(nocache=self.nocache)

    def moment(self, name: str) -> datetime | None:
        """Give when a state or status was reached, or None."""
        return datetime.fromisoformat(self.moments[name]) if name in self.moments else None

    def at(self, state: State, **changes: Any) -> "Part":
        """Give the part in a new state; the moment is remembered."""
        moments = {**self.moments, state: now().isoformat(timespec="milliseconds")}
        return replace(self, state=state, moments=moments, **changes)

    def anew(self, *, nocache: str | None, trouble: str | None) -> "Part":
        """Give the part as it must be asked for again; a file that is there stays."""
        spent = self.spent_jobs if self.job is None else (*self.spent_jobs, self.job)
        return replace(
            self, state="planned", nocache=nocache, job=None, spent_jobs=spent, status=None,
            moments={}, trouble=trouble,
        )  # fmt: skip


class Manifest:
    """The parts of one month, kept in `manifest.json` beside their files.

    Every change is on disk before the next step is taken. Threads may share it.
    """

    def __init__(self, folder: Path, parts: list[Part]) -> None:
        self.folder = folder
        self._parts = {part.request.key: part for part in parts}
        self._lock = threading.Lock()

    @property
    def parts(self) -> list[Part]:
        """All parts as they stand."""
        with self._lock:
            return list(self._parts.values())

    def part(self, key: str) -> Part:
        """Give one part as it stands."""
        with self._lock:
            return self._parts[key]

    def received_files(self, *, what: str) -> Iterator[tuple[Path, dict[str, Any]]]:
        """Give the files of all parts, which must be received, and what they are.

        Args:
            what: was fetched, for messages: `month`.

        Raises:
            DataError: if a file is another than was received.
        """
        for part in self.parts:
            assert part.file is not None
            path = self.folder / part.file["name"]
            if not path.is_file() or file_sha256(path) != part.file["sha256"]:
                raise DataError(
                    f"{path}: found {'other bytes' if path.is_file() else 'no file'}; expected the "
                    f"{part.file['size']} bytes that were received. Remove {self.folder} to fetch "
                    f"the {what} again"
                )
            yield path, {**part.file, "job": part.job, "received": part.moments["received"]}

    def put(self, part: Part) -> Part:
        """Write down how far a part got."""
        with self._lock:
            self._parts[part.request.key] = part
            self._write()
        return part

    def split(self, key: str, pieces: list[CdsRequest]) -> None:
        """Put smaller requests in the place of one; a file that came for it goes."""
        with self._lock:
            old = self._parts.pop(key)
            for piece in pieces:
                self._parts[piece.key] = Part(piece, nocache=old.nocache)
            self._write()
        if old.file is not None:
            (self.folder / old.file["name"]).unlink(missing_ok=True)

    def _write(self) -> None:
        parts = [_to_json(part) for part in self._parts.values()]
        text = json.dumps({"layout": _LAYOUT, "parts": parts}, indent=1)
        write_text(self.folder / _NAME, text)


def read_manifest(folder: Path) -> Manifest | None:
    """Read a month's manifest, or give None where there is none.

    Raises:
        DataError: if it is damaged.
    """
    path = folder / _NAME
    with using_disk(path):
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            return None
    try:
        content = json.loads(text)
        if content["layout"] != _LAYOUT:
            raise DataError(
                f"{path}: found layout {content['layout']}; expected {_LAYOUT}: it was written by "
                "another version. Move the folder away to fetch the month again"
            )
        return Manifest(folder, [_from_json(entry) for entry in content["parts"]])
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path}: found a damaged manifest ({error}); expected one as it was written. Move "
            "the folder away to fetch the month again"
        ) from error


def _to_json(part: Part) -> dict[str, Any]:
    entry = asdict(part)
    entry["request"]["month"] = str(part.request.month)
    return entry


def _from_json(entry: dict[str, Any]) -> Part:
    request = dict(entry["request"])
    request["month"] = Month.parse(request["month"])
    area = request["area"]
    request["area"] = None if area is None else Area(**area)
    for name in ("variables", "levels", "days", "hours"):
        request[name] = tuple(request[name])
    spent = tuple(entry["spent_jobs"])
    return Part(**{**entry, "request": CdsRequest(**request), "spent_jobs": spent})
