"""Whether the files of a folder have all that is wanted of a month."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from met2net.data.windows import hours_since_epoch
from pipelines.errors import DataError
from pipelines.formats.left_out import because
from pipelines.period import STEPS
from pipelines.sources.files_index import IndexedFile
from pipelines.sources.folder_files import files_below
from pipelines.sources.source import MonthRequest, name_files

__all__ = ["check_present"]


def check_present(
    request: MonthRequest,
    indexed: list[IndexedFile],
    *,
    folder: Path,
    pattern: str,
    held: Mapping[str, str],
) -> None:
    """Refuse a month that no file has, a variable or level that its files lack, missing hours.

    Args:
        request: what is wanted.
        indexed: all data files of a folder.
        folder: where they lie, for messages.
        pattern: of the files' names.
        held: names of the wanted variables in the files.

    Raises:
        DataError: naming files, what was found and what is expected.
    """
    month, wanted = request.month, hours_since_epoch(request.hours.astype("datetime64[h]"))
    reasons = [f"{Path(f.path).name}: {reason}" for f in indexed for reason in f.left_out]
    of_month = [file for file in indexed if np.isin(wanted, file.hours).any()]
    if not of_month:
        hours = np.concatenate([file.hours for file in indexed]).astype("datetime64[h]")
        found = f"hours from {hours.min()} to {hours.max()}" if len(hours) else "no known variable"
        raise DataError(
            f"{folder}: found {found} in {name_files([file.path for file in indexed])}; expected "
            f"hours of {month}, {request.hours[0]} to {request.hours[-1]}"
            f"{files_below(folder, pattern)}" + because(reasons)
        )
    for wanted_name, levels in request.fields.items():
        name = held[wanted_name]
        having = [file for file in of_month if name in file.fields]
        if not having:
            known = sorted({known for file in of_month for known in file.fields})
            raise DataError(
                f"{name_files([file.path for file in of_month])}: found {', '.join(known)} for "
                f"{month}; expected also {name}" + because(reasons)
            )
        found_levels = sorted({level for file in having for level in file.fields[name]})
        if absent := sorted(set(levels) - set(found_levels)):
            raise DataError(
                f"{name_files([file.path for file in having])}: found {name} on levels "
                f"{found_levels}; expected {absent} hPa"
            )
        for level in levels or (None,):
            _check_hours(name, level, having, request)


def _check_hours(
    name: str, level: int | None, having: list[IndexedFile], request: MonthRequest
) -> None:
    """Refuse hours that no file with a variable on a level has."""
    wanted = hours_since_epoch(request.hours.astype("datetime64[h]"))
    files = [file for file in having if level is None or level in file.fields[name]]
    held = np.unique(np.concatenate([file.hours for file in files]))
    missing = np.setdiff1d(wanted, held)
    if len(missing):
        raise DataError(
            f"{name_files([file.path for file in files])}: found {name} "
            f"{'' if level is None else f'at {level} hPa '}for "
            f"{len(wanted) - len(missing)} of {len(wanted)} hours of {request.month}; expected all "
            f"(the first missing one is {missing[0].astype('datetime64[h]')})"
            + _step_of(held, wanted)
        )


def _step_of(held: np.ndarray, wanted: np.ndarray) -> str:
    """Say what time step files have that hold evenly spaced hours, where another was wanted."""
    inside = held[(held >= wanted[0]) & (held <= wanted[-1])]
    steps = np.unique(np.diff(inside))
    if len(steps) != 1 or steps[0] not in STEPS or np.isin(inside, wanted).mean() < 1:
        return ""
    return f"; the files have one every {steps[0]} hours: set data.step_hours={steps[0]}"
