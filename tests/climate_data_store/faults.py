"""Faults that the store is told to have, and when they strike.

`where` is the call: `messages`, `process`, `execution`, `costing`, `jobs` (list and deletions),
`job`, `results`, `head`, `file`. Kinds, with their details:

any call
    status: refused with `code`; `retry_after` [s] (429: 1), `title`, `detail`. Of files, with
        the XML of an object store.
    slow: carried out, answered `seconds` later; a file then `bytes_per_second`.
    cut: connection closed without a reply; nothing is carried out.
    carried_out_then_cut: carried out, connection closed without a reply.
    not_json: status 200 with an HTML page; nothing is carried out.
    page: refused with `code` (404) and an HTML page, as a proxy does; nothing is carried out.
job (a job is struck when it is made, or at its next poll if the fault is added later)
    failed, rejected: so it ends; results say 400 with `message` as traceback.
    never: it stays `status` (`accepted`, which takes no slot, or `running`) for ever.
    deleted: unknown from its first poll on (404); with `status` dismissed: known as such.
results
    expired: 404, for this job for ever.
    wrong_size: `file:size` is `extra` bytes (1000) more than the file.
file, one transfer
    cut_once_at: connection closed after `bytes` of the body (default: half).
    cut_always: every transfer closed after `bytes` of the body (default: half).
    changed: as cut_once_at; afterwards another object of that size, with another ETag.
    no_ranges: ranges neither advertised nor honoured; with `bytes`, the first transfer is cut.
    ranges_ignored: advertised, but answered by the full body; with `bytes` as above.
    short: Content-Length and body are `missing` bytes (100) less than HEAD said.
    empty: no body at all.
    garbage: random bytes of the right number.
    bit_flip: one GRIB message's reference value (`part` "reference") becomes huge, or its first
        packed value ("data") the largest of the field; of other formats, 16 bytes in the middle.
    html: a page of HTML with status 200.
file, the object itself: holds for a job from its results until one transfer has begun
    truncated: cut short by `missing` bytes (about a quarter, within a message); file:size and
        HEAD agree.
    trailing: 100 more bytes; `consistent` False: file:size does not know of them.
    missing_hours: `hours` (datetime64) or the `count` (1) hours at `at` (middle) are left out.
    duplicate_hours: the `count` (1) hours at the middle come twice.
    missing_variable, missing_level: `name` or `level` (default: the last one) is left out.
    wrong_grid: shifted by 0.1 degrees to the east and north.
    nan: `count` (1) hours in the middle have no value at one point.
    out_of_range: one value in the middle is far beyond the variable's range.
    wrong_units: K as degC, Pa as hPa, m as mm, m s-1 as knots; netCDF declares them (unless
        `declared` False), GRIB cannot.
    as_zip, as_netcdf, as_grib: another format than asked for.
    split_zip: a zip with one member a step type, in the format asked for.
    mixed_expver: preliminary from `first_hour` on (default: the middle), accumulations
        `accumulated_final_hours` (0) later.
"""

import threading
from collections.abc import Mapping, Set
from typing import Any

__all__ = ["CONTENT_KINDS", "JOB_KINDS", "LASTING_FILE_KINDS", "Fault"]

_ANY_CALL = ("status", "slow", "cut", "carried_out_then_cut", "not_json", "page")
JOB_KINDS = ("failed", "rejected", "never", "deleted")
LASTING_FILE_KINDS = ("no_ranges", "ranges_ignored")
CONTENT_KINDS = (
    "truncated", "trailing", "missing_hours", "duplicate_hours", "missing_variable",
    "missing_level", "wrong_grid", "nan", "out_of_range", "wrong_units", "as_zip", "as_netcdf",
    "as_grib", "split_zip", "mixed_expver",
)  # fmt: skip
_TRANSFER_KINDS = (
    "cut_once_at", "cut_always", "changed", *LASTING_FILE_KINDS, "short", "empty", "garbage",
    "bit_flip", "html",
)  # fmt: skip
_KINDS = {
    "messages": _ANY_CALL,
    "process": _ANY_CALL,
    "execution": _ANY_CALL,
    "costing": _ANY_CALL,
    "jobs": _ANY_CALL,
    "job": (*_ANY_CALL, *JOB_KINDS),
    "results": (*_ANY_CALL, "expired", "wrong_size"),
    "head": _ANY_CALL,
    "file": (*_ANY_CALL, *_TRANSFER_KINDS, *CONTENT_KINDS),
}
_LASTING = ("cut_always", *LASTING_FILE_KINDS)


class Fault:
    """Something that goes wrong at matching calls.

    Args:
        where: the call, see this module.
        kind: what goes wrong, see this module.
        times: how often it strikes; None for ever, as 1 is for `cut_always`, `no_ranges` and
            `ranges_ignored`.
        after: how many matching calls (jobs, for kinds of a job) pass first.
        dataset: strikes only calls about this dataset.
        month: strikes only calls about requests of this month, as `2020-02`.
        details: see this module.
    """

    def __init__(
        self,
        where: str,
        kind: str,
        times: int | None = 1,
        after: int = 0,
        dataset: str | None = None,
        month: str | None = None,
        **details: Any,
    ) -> None:
        if where not in _KINDS:
            raise ValueError(f"found where={where!r}; expected one of {', '.join(_KINDS)}")
        if kind not in _KINDS[where]:
            raise ValueError(
                f"found kind={kind!r} at {where}; expected one of {', '.join(_KINDS[where])}"
            )
        self.where = where
        self.kind = kind
        self.times = None if kind in _LASTING and times == 1 else times
        self.after = after
        self.dataset = dataset
        self.month = month
        self.details: Mapping[str, Any] = details
        self.struck = 0
        self._passed = 0
        self._judged: set[str] = set()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Fault({self.where!r}, {self.kind!r}, times={self.times}, {dict(self.details)})"

    def matches(self, where: str, dataset: str | None, months: Set[str]) -> bool:
        """Tell whether a call is one of those that this fault is about."""
        return (
            self.where == where
            and (self.dataset is None or self.dataset == dataset)
            and (self.month is None or self.month in months)
        )

    def take(self, once_for: str | None = None) -> bool:
        """Count one matching call, and tell whether it is struck.

        Args:
            once_for: a name that is judged only the first time.
        """
        with self._lock:
            if once_for is not None and once_for in self._judged:
                return False
            if once_for is not None:
                self._judged.add(once_for)
            if self._passed < self.after:
                self._passed += 1
                return False
            if self.times is not None and self.struck >= self.times:
                return False
            self.struck += 1
            return True

    @property
    def is_due(self) -> bool:
        """Tell whether the next matching call will be struck."""
        return self._passed >= self.after and (self.times is None or self.struck < self.times)
