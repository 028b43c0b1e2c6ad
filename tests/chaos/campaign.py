"""The campaign: every trial of every seed once, noted in a file so that it can go on."""

import json
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.bench import Bench, Result
from tests.chaos.stages import STAGES
from tests.chaos.trials import plan

__all__ = ["RESULTS", "read_results", "run_stages", "run_trials", "table"]

RESULTS = "results.jsonl"
"""One line a trial, in the campaign's folder."""


def read_results(folder: Path) -> list[dict[str, Any]]:
    """Give what the campaign has found so far; a line that a crash cut is left out."""
    path = folder / RESULTS
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines if line.endswith("}")]


def _append(path: Path, line: str) -> None:
    """Add a line; begin a new one where a crash has cut the last."""
    is_cut = path.is_file() and path.stat().st_size > 0 and path.read_bytes()[-1:] != b"\n"
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if is_cut else "") + line + "\n")


def run_trials(
    folder: Path,
    *,
    stage: str,
    seeds: Sequence[int],
    trials: Sequence[tuple[str, Callable[[Any, random.Random], Result]]],
    open_bench: Callable[[], Any],
    say: Callable[[str], None] = print,
) -> None:
    """Run the trials of a stage that are not noted yet; the bench is made for the first."""
    done = {(r["seed"], r["stage"], r["number"]) for r in read_results(folder)}
    bench = None
    for seed in seeds:
        for number, (fault, trial) in enumerate(trials):
            if (seed, stage, number) in done:
                continue
            bench = bench or open_bench()
            start = time.monotonic()
            # From the names, so that a trial is the same whatever ran before it.
            result = trial(bench, random.Random(f"{seed} {stage} {number}"))
            record = {
                "seed": seed, "stage": stage, "number": number, "fault": fault,
                "seconds": round(time.monotonic() - start, 2), **asdict(result),
            }  # fmt: skip
            _append(folder / RESULTS, json.dumps(record))
            state = "; ".join(result.differences) or "no difference"
            said = f" ({result.message})" if result.message else ""
            say(f"seed {seed}, {stage}, {fault}: {', '.join(result.ended)}{said}: {state}")


def run_stages(folder: Path, *, seeds: Sequence[int], stages: Sequence[str]) -> None:
    """Run the trials of single stages."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in stages:
        run_trials(
            folder, stage=name, seeds=seeds, trials=plan(name),
            open_bench=lambda name=name: Bench(STAGES[name], folder),  # type: ignore[misc]
        )  # fmt: skip


def table(results: Sequence[Mapping[str, Any]]) -> str:
    """Count trials and differences by stage and fault, as a Markdown table."""
    header = "| stage | fault | trials | how the disturbed runs ended | differences |"
    lines = [header, "|---|---|---|---|---|"]
    groups = list(dict.fromkeys((r["stage"], r["fault"]) for r in results))
    for stage, fault in groups:
        mine = [r for r in results if (r["stage"], r["fault"]) == (stage, fault)]
        ended = Counter(how for r in mine for how in r["ended"])
        told = ", ".join(f"{how} {count}" for how, count in sorted(ended.items()))
        wrong = sum(bool(r["differences"]) for r in mine)
        lines.append(f"| {stage} | {fault} | {len(mine)} | {told} | {wrong} |")
    wrong = sum(bool(r["differences"]) for r in results)
    lines.append(f"| all | | {len(results)} | | {wrong} |")
    return "\n".join(lines)
