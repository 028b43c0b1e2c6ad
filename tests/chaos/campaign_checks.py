"""The campaign itself: it finds what is lost, goes on where it was, and runs real stages."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.atomic import write_text
from pipelines.errors import DataError
from tests.chaos.bench import Bench, Result, compare
from tests.chaos.campaign import RESULTS, read_results, run_trials, table
from tests.chaos.content import file_content
from tests.chaos.damage import DAMAGE
from tests.chaos.processes import Child, in_child
from tests.chaos.stages import STAGES, Stage
from tests.chaos.trials import (
    clock,
    damaged,
    disk_full,
    killed,
    out_of_memory,
    plan,
    read_only,
    twice,
)

NUM_FILES = 20


def prepare(folder: Path) -> None:
    (folder / "out").mkdir()
    (folder / "out" / "before").write_text("kept")


def work(folder: Path) -> None:
    for number in range(NUM_FILES):
        time.sleep(0.005)
        write_text(folder / "out" / str(number), str(number) * 5000)


def careless(folder: Path) -> None:
    (folder / "out" / "before").unlink(missing_ok=True)
    time.sleep(0.1)
    prepare_again = folder / "out" / "before"
    prepare_again.write_text("kept")


def state(folder: Path) -> dict[str, str]:
    return file_content(folder / "out", label="file")


def bench_of(run: Callable[[Path], None], root: Path) -> Bench:
    return Bench(Stage("small", prepare, run, state), root)


TRIALS = (killed, disk_full, read_only, clock, twice, out_of_memory)


def test_a_stage_that_writes_whole_files_passes_every_fault(tmp_path: Path) -> None:
    bench = bench_of(work, tmp_path)
    assert len(bench.reference.after) == NUM_FILES + 1
    ended = []
    for seed, trial in enumerate(TRIALS):
        result = trial(bench, random.Random(seed))
        assert result.differences == [], trial.__name__
        ended += result.ended
    assert {"ended", "failed"} <= set(ended)  # some faults were in time


def test_what_is_lost_by_a_kill_is_found_although_the_next_run_makes_it_anew(
    tmp_path: Path,
) -> None:
    bench = bench_of(careless, tmp_path)
    results = [killed(bench, random.Random(seed)) for seed in range(4)]
    assert any("lost by the fault: file before" in r.differences for r in results)


def refuse() -> None:
    raise DataError("found 1; expected 2")


def die() -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(60)


@pytest.mark.parametrize(
    ("function", "how", "message"),
    [
        (refuse, "refused", "error: found 1; expected 2"),
        (lambda: 1 / 0, "failed", "ZeroDivisionError: division by zero"),
        (die, "died", "SIGTERM"),
        (lambda: time.sleep(60), "hung", "after 0 s: "),
    ],
)
def test_the_end_of_a_process_is_told(
    tmp_path: Path, function: Callable[[], None], how: str, message: str
) -> None:
    ending = Child(function, notes=tmp_path).ending(patience=0.3 if how == "hung" else 30)
    assert (ending.how, ending.message) == (how, message)


def test_a_child_gives_its_value_and_an_error_is_one_here(tmp_path: Path) -> None:
    assert in_child(lambda: {"a": 1}, notes=tmp_path).value == {"a": 1}
    with pytest.raises(RuntimeError, match="failed: ZeroDivisionError"):
        in_child(lambda: 1 / 0, notes=tmp_path)


def test_states_are_compared_both_ways() -> None:
    assert compare({"a": "1"}, {"a": "1"}) == []
    assert compare({"a": "1", "b": "2"}, {"a": "3"}) == [
        "a: found 1; expected 3",
        "b: found 2; expected nothing",
    ]


def test_a_stopped_campaign_goes_on_where_it_was(tmp_path: Path) -> None:
    drawn: list[tuple[str, float]] = []

    def trial(bench: object, draw: random.Random) -> Result:
        drawn.append(("trial", draw.random()))
        return Result(["killed"], "", ["lost"] if len(drawn) == 3 else [])

    def run(seeds: list[int]) -> None:
        run_trials(
            tmp_path, stage="s", seeds=seeds, trials=[("a", trial), ("b", trial)],
            open_bench=object, say=lambda _: None,
        )  # fmt: skip

    run([1])
    with (tmp_path / RESULTS).open("a") as file:
        file.write('{"seed": 2, "stage"')  # cut by a kill
    run([1, 2])
    assert len(drawn) == 4 and len({number for _, number in drawn}) == 4
    results = read_results(tmp_path)
    assert [(r["seed"], r["fault"]) for r in results] == [(1, "a"), (1, "b"), (2, "a"), (2, "b")]
    assert table(results).splitlines()[2:] == [
        "| s | a | 2 | killed 2 | 1 |",
        "| s | b | 2 | killed 2 | 0 |",
        "| all | | 4 | | 1 |",
    ]


def test_three_seeds_are_enough_faults() -> None:
    assert 3 * sum(len(plan(stage)) for stage in STAGES) >= 170


def test_what_can_be_damaged_belongs_to_a_stage() -> None:
    assert {stage for stage, _ in DAMAGE} <= set(STAGES)


def test_a_real_stage_killed_and_with_a_damaged_chunk(tmp_path: Path) -> None:
    bench = Bench(STAGES["training set"], tmp_path)
    assert killed(bench, random.Random(0)).differences == []
    result = damaged(bench, random.Random(1), kind="corrupted chunk")
    assert (result.differences, result.ended) == ([], ["refused"])
