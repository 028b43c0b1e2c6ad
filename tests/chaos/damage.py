"""Files that are damaged on the disk, who must notice it, and how it is mended."""

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.archive.check import check_archive
from pipelines.errors import DataError
from tests.chaos.stages import STAGES, build_again, replace_months, training_set, write_raw

__all__ = ["DAMAGE", "Damage"]


@dataclass(frozen=True)
class Damage:
    """A kind of damage.

    Attributes:
        harm: damages a file; gives its name.
        use: the command that must not use it silently.
        mend: does what the message advises.
        ignored: what the cure changes in the state: these keys are not compared.
    """

    harm: Callable[[Path, random.Random], str]
    use: Callable[[Path], None]
    mend: Callable[[Path, str], None]
    ignored: tuple[str, ...] = ()


def flip(path: Path, draw: random.Random) -> None:
    """Change a byte or a few of a file."""
    content = bytearray(path.read_bytes())
    for _ in range(draw.choice([1, 16])):
        content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(bytes(content))


def cut(path: Path, draw: random.Random) -> None:
    """Cut a file short."""
    content = path.read_bytes()
    path.write_bytes(content[: draw.randrange(len(content))])


def _archive_chunk(folder: Path, draw: random.Random) -> str:
    chunks = sorted(p for p in (folder / "archive" / "chunks").rglob("*") if p.is_file())
    path = draw.choice(chunks)
    shutil.copyfile(path, folder / "sound")
    draw.choice([flip, cut])(path, draw)
    return str(path)


def _check(folder: Path) -> None:
    findings = check_archive(folder / "archive")
    if findings:
        raise DataError("; ".join(map(str, findings)))


def _refetch(folder: Path, name: str) -> None:
    del name
    replace_months(folder)
    _check(folder)


def _raw_file(folder: Path, draw: random.Random) -> str:
    path = folder / "era5" / draw.choice(["2016-02.nc", "2016-03.nc"])
    cut(path, draw)
    return str(path)


def _write_again(folder: Path, name: str) -> None:
    del name
    shutil.rmtree(folder / "era5")
    write_raw(folder)


def _training_set_chunk(folder: Path, draw: random.Random) -> str:
    store = training_set(folder)
    names = [*(store / "data" / "c").rglob("*"), *(store / "climatology" / "c").rglob("*")]
    path = draw.choice(sorted(p for p in names if p.is_file()))
    flip(path, draw)
    return str(path)


def _remove_set(folder: Path, name: str) -> None:
    del name
    shutil.rmtree(training_set(folder))
    build_again(folder)


def _resume_state(folder: Path, draw: random.Random) -> str:
    STAGES["training"].run(folder)
    (folder / "model" / "done").unlink()
    path = folder / "model" / "checkpoints" / "last.ckpt"
    cut(path, draw)
    return str(path)


def _delete(folder: Path, name: str) -> None:
    del folder
    Path(name).unlink()


def _registered_weights(folder: Path, draw: random.Random) -> str:
    (path,) = (folder / "artifacts").rglob("*.safetensors")
    shutil.copyfile(path, folder / "sound")
    cut(path, draw)
    return str(path)


def _copy_back(folder: Path, name: str) -> None:
    (folder / "sound").rename(name)


DAMAGE = {
    ("ingest", "truncated raw file"): Damage(_raw_file, STAGES["ingest"].run, _write_again),
    ("ingest", "corrupted chunk"): Damage(
        _archive_chunk, _check, _refetch, ignored=("archive commits",)
    ),
    ("training set", "corrupted chunk"): Damage(
        _archive_chunk, STAGES["training set"].run, _copy_back
    ),
    ("training", "corrupted chunk"): Damage(
        _training_set_chunk, STAGES["training"].run, _remove_set
    ),
    ("training", "truncated state to resume from"): Damage(
        _resume_state, STAGES["training"].run, _delete
    ),
    ("scoring", "corrupted chunk"): Damage(_training_set_chunk, STAGES["scoring"].run, _remove_set),
    ("forecast", "truncated checkpoint"): Damage(
        _registered_weights, STAGES["forecast"].run, _copy_back
    ),
}
