"""Where trials are made: a stage's folder, its undisturbed run, and what differs from it."""

import gc
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.chaos import disks
from tests.chaos.processes import Child, Ending, in_child
from tests.chaos.stages import Stage
from tests.chaos.store_process import Store, serving_store
from tests.climate_data_store.faults import Fault

__all__ = ["PATIENCE", "Bench", "Reference", "Result", "Trial", "compare"]

PATIENCE = 120.0
"""Seconds after which a stage of some seconds counts as hung."""


@dataclass(frozen=True)
class Reference:
    """A stage that nobody disturbed.

    Attributes:
        before, after: the state when it started and when it had ended.
        seconds: its duration.
        written: bytes that it added.
        peak_bytes: its largest address space.
        num_submissions: jobs that it submitted to the store.
    """

    before: Mapping[str, str]
    after: Mapping[str, str]
    seconds: float
    written: int
    peak_bytes: int
    num_submissions: int


@dataclass
class Result:
    """What a trial found.

    Attributes:
        ended: how the disturbed run ended: once for each process.
        message: its last line.
        differences: from an undisturbed run; empty if all is well.
    """

    ended: list[str] = field(default_factory=list)
    message: str = ""
    differences: list[str] = field(default_factory=list)

    def note(self, ending: Ending) -> None:
        """Note how a disturbed process ended."""
        self.ended.append(ending.how)
        self.message = ending.message or self.message
        if ending.how == "hung":
            self.differences.append(f"the disturbed run hung {ending.message}")


class Bench:
    """A stage with a folder to try it in: always the same one, since registries keep addresses."""

    def __init__(self, stage: Stage, root: Path) -> None:
        gc.freeze()  # what is there already is not gone through, and so not copied, by children
        self.stage = stage
        self.folder = (root / stage.name.replace(" ", "_")).resolve()
        self.work = self.folder / "work"
        self.notes = self.folder / "notes"
        self._before = self.folder / "before"
        shutil.rmtree(self.folder, ignore_errors=True)
        self.work.mkdir(parents=True)
        with self.store():
            in_child(partial(stage.prepare, self.work), notes=self.notes)
        shutil.copytree(self.work, self._before)
        self.reference = self._undisturbed()

    def _undisturbed(self) -> Reference:
        before = self.state()
        size = disks.folder_bytes(self.work)
        with self.store() as store:
            ending = in_child(partial(self.stage.run, self.work), notes=self.notes)
            count = 0 if store is None else store.num_submissions()
        return Reference(
            before, self.state(), ending.seconds, disks.folder_bytes(self.work) - size,
            ending.peak_bytes, count,
        )  # fmt: skip

    def state(self) -> dict[str, str]:
        """Read what the folder holds, in a child."""
        state: dict[str, str] = in_child(
            partial(self.stage.state, self.work), notes=self.notes
        ).value
        return state

    def start(self, prepare: Callable[[], None] = lambda: None) -> Child:
        """Start the command."""
        return Child(partial(self.stage.run, self.work), notes=self.notes, prepare=prepare)

    def store(self, faults: Sequence[Fault] = ()) -> AbstractContextManager[Store | None]:
        """Serve the Climate Data Store, where the stage asks it for anything."""
        return serving_store(faults) if self.stage.uses_store else nullcontext()

    @contextmanager
    def fresh(self, *, on_disk: bool = False) -> Iterator[None]:
        """Put the folder as it was before; on a small disk of its own where that is asked for."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.rmtree(self.notes, ignore_errors=True)
        self.work.mkdir()
        with disks.small_disk(self.work) if on_disk else nullcontext():
            shutil.copytree(self._before, self.work, dirs_exist_ok=True)
            yield

    def moment(self, draw: random.Random) -> float:
        """Draw a moment of the undisturbed duration."""
        return draw.uniform(0.0, self.reference.seconds)

    def finish(
        self, result: Result, store: Store | None = None, *, ignored: Sequence[str] = ()
    ) -> Result:
        """Run the same command without the fault; compare with the undisturbed run."""
        self._check_kept(result, ignored)
        again = self.start().ending(patience=PATIENCE)
        if again.how != "ended":
            result.differences.append(f"the run after it {again.how}: {again.message}")
            return result
        found, expected = (
            {key: value for key, value in state.items() if key not in ignored}
            for state in (self.state(), self.reference.after)
        )
        result.differences += compare(found, expected)
        if store is not None:
            count = store.num_submissions()
            if count != self.reference.num_submissions:
                result.differences.append(
                    f"{count} jobs submitted; expected {self.reference.num_submissions}"
                )
        return result

    def _check_kept(self, result: Result, ignored: Sequence[str]) -> None:
        """Find what was stored before and is gone or changed, before anything mends it."""
        try:
            found = self.state()
        except RuntimeError as error:
            result.differences.append(f"unreadable after the fault: {str(error)[:300]}")
            return
        stays = (
            (key, value) for key, value in self.reference.before.items()
            if key not in ignored and self.reference.after.get(key) == value
        )  # fmt: skip
        result.differences += [
            f"lost by the fault: {key}" for key, value in stays if found.get(key) != value
        ]


def compare(found: Mapping[str, str], expected: Mapping[str, str]) -> list[str]:
    """Name what is missing, too much or other than expected."""
    keys = sorted({*found, *expected})
    return [
        f"{key}: found {found.get(key, 'nothing')}; expected {expected.get(key, 'nothing')}"
        for key in keys
        if found.get(key) != expected.get(key)
    ]


Trial = Callable[[Bench, random.Random], Result]
"""Does harm to a stage, as the numbers drawn say, and tells what came of it."""
