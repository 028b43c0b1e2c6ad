"""A run's folder: where its results lie, and what each of them was made from."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from pipelines.atomic import write_text
from pipelines.errors import DataError

__all__ = ["RunFolder"]

_MADE_FROM = "made_from.json"


@dataclass(frozen=True)
class RunFolder:
    """The results of a run, or of a part of a study, or of a month's retraining.

    What a result was made from is kept beside it (`made_from.json`): result -> the name of its
    inputs. A result stands only as long as its inputs are these.

    Attributes:
        path: the folder.
    """

    path: Path

    @property
    def config(self) -> Path:
        """The settings of the run that was last asked for."""
        return self.path / "config.yaml"

    @property
    def scores(self) -> Path:
        """Scores of every model."""
        return self.path / "scores.nc"

    @property
    def scores_json(self) -> Path:
        """The same numbers as text."""
        return self.path / "scores.json"

    @property
    def statistics(self) -> Path:
        """Sums of every init time."""
        return self.path / "statistics.nc"

    @property
    def examples(self) -> Path:
        """Worked windows."""
        return self.path / "example.nc"

    @property
    def analysis(self) -> Path:
        """CKA and attention."""
        return self.path / "analysis.nc"

    @property
    def report(self) -> Path:
        """The page."""
        return self.path / "report.html"

    @property
    def figures(self) -> Path:
        """Folder of the pictures."""
        return self.path / "figures"

    @property
    def tables(self) -> Path:
        """Folder of the report's tables."""
        return self.path / "tables"

    @property
    def tracks(self) -> list[Path]:
        """Tracks of storms that there are."""
        return sorted(self.path.glob("tracks_*.nc"))

    def model(self, name: str) -> Path:
        """Folder of a model's training: a link to it, where trainings lie elsewhere."""
        return self.path / "models" / name

    def curves(self, name: str) -> Path:
        """Epoch curves of a model's training."""
        return self.model(name) / "metrics.csv"

    def link_model(self, name: str, training: Path) -> None:
        """Lead from here to the folder of a training, in place of an earlier one.

        Raises:
            DataError: if a folder that is no link stands there.
        """
        link = self.model(name)
        if link.exists() and not link.is_symlink():
            raise DataError(
                f"found a folder {link}; expected a link to {training}, or nothing: move it away"
            )
        link.parent.mkdir(parents=True, exist_ok=True)
        # Relative, so that a workspace may be moved.
        temporary = link.with_name(f".{name}.{os.getpid()}.link")
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(os.path.relpath(training.resolve(), link.parent.resolve()))
        temporary.replace(link)

    def made_from(self, result: str) -> str | None:
        """Give the name of the inputs that a result was made from; None where there is none."""
        return self._records().get(result)

    def is_current(self, result: str, identity: str, *files: Path) -> bool:
        """Tell whether a result was made from exactly these inputs, and its files are there.

        Args:
            result: its name.
            identity: names its inputs.
            files: what it consists of.
        """
        return self.made_from(result) == identity and all(file.is_file() for file in files)

    @contextmanager
    def making(self, result: str, identity: str) -> Iterator[None]:
        """Record what a result is made from, when it is there; until then it counts as absent."""
        self._change(result, None)
        yield
        self._change(result, identity)

    def _records(self) -> dict[str, str]:
        try:
            records = json.loads((self.path / _MADE_FROM).read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):  # none yet, or damaged: then nothing is current
            return {}
        return records if isinstance(records, dict) else {}

    def _change(self, result: str, identity: str | None) -> None:
        """Record the inputs of one result, or that there is none; others may do so meanwhile."""
        self.path.mkdir(parents=True, exist_ok=True)
        with FileLock(self.path / f".{_MADE_FROM}.lock"):
            records = {key: value for key, value in self._records().items() if key != result}
            if identity is not None:
                records[result] = identity
            text = json.dumps(records, indent=1, sort_keys=True)
            write_text(self.path / _MADE_FROM, f"{text}\n")
