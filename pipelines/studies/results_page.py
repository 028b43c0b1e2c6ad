"""The page of results: what was measured at one small budget, and what it says of the paper.

`python -m pipelines.studies.results_page PAGE.md STUDY_FOLDER...`
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import yaml

from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.evaluation.summary import BASELINES, margin_intervals
from pipelines.studies.parts import ScoredPart, read_parts

__all__ = ["CLAIMS", "Claim", "judged", "results_section", "write_results_page"]

_PERSISTENCE = "persistence"
_SHOWN = 5e-5  # differences have four decimals


@dataclass(frozen=True)
class Claim:
    """What is said of two models: one is better than the other.

    Attributes:
        says: in words.
        better: the model that should have the smaller error.
        worse: the other one.
    """

    says: str
    better: str
    worse: str


CLAIMS = (
    Claim("an encoder and decoder a variable help (Table 8, + MED)", "med", "tau"),
    Claim("attention between variables helps (Table 8, + VA)", "attention", "med"),
    Claim("implicit two-stage training helps (Table 8, + ITS)", "met2net", "attention"),
    Claim("the conventional two-stage scheme is worse (Figure 1)", "met2net", "conventional"),
    Claim("Met2Net is better than TAU (Table 1)", "met2net", "tau"),
    Claim("Met2Net is better than ConvLSTM (Table 1)", "met2net", "convlstm"),
    Claim("frames relative to the last observed one help (ours)", "met2net_relative", "met2net"),
    Claim("correcting ridge helps more than that (ours)", "attention_linear", "attention_relative"),
    Claim("sun, hour and day known in advance help (ours)", "attention_known", "attention_linear"),
    Claim("correcting ridge, Met2Net is better than TAU (ours)", "attention_linear", "tau_linear"),
)


def write_results_page(folders: Sequence[Path], out: Path) -> Path:
    """Write one section a study; `study.json` and `config.yaml` stand in their folders.

    Raises:
        DataError: if a folder holds no finished study.
    """
    lines = [
        "# Results",
        "",
        "Equal terms for all networks of a section: the same data, and either as many steps and "
        "batches, a short search of learning rates on the validation split, then one training a "
        "seed; or, where the table says how long each was trained, as much time. A row without a "
        "range over seeds was trained once. Scores are of the test split: normalized RMSE (RMSE / "
        "standard deviation of the training split, mean over channels, all lead times pooled), "
        "smaller is better. The 95 % intervals are a block bootstrap over init times, averaged "
        "over seeds; ranges are over seeds. The budget is small: this says what the ideas are "
        "worth early in training, not what they reach with the published one.",
        "",
        "Rows that begin with + are the steps of the paper's Table 8: each adds to the one before, "
        "from TAU by way of an encoder and decoder a variable (MED) and attention between "
        "variables, both trained end to end, to two stages.",
        "",
        "Made by the command of each section, then `python -m pipelines.studies.results_page "
        "docs/results.md STUDY_FOLDER...`.",
        "",
    ]
    for folder in folders:
        config = folder / "config.yaml"
        if not config.is_file():
            raise DataError(f"found no {config}; expected the folder of a finished study")
        settings = yaml.safe_load(config.read_text(encoding="utf-8"))
        lines += [results_section(read_parts(folder / "study.json"), settings), ""]
    write_text(out, "\n".join(lines))
    return out


def results_section(parts: Sequence[ScoredPart], settings: Mapping[str, Any]) -> str:
    """Write one study: table of errors, then what the paper's claims come to."""
    first = parts[0]
    scores = [part.scores() for part in parts]
    errors, intervals = _errors(scores), _intervals(scores)
    name = settings["name"]
    names = {model: row for row, model in first.rows.items()}
    lines = [
        f"## {settings['title']}", "",
        f"`prefect run flows/full_experiment.py experiment={name}`: "
        f"{', '.join(map(str, scores[0]['channel'].values))}; "
        f"{scores[0].attrs['num_windows']} windows; "
        f"{len(parts)} seed{'s' if len(parts) > 1 else ''}.{_search(first, settings)}", "",
        "| model | learning rate | normalized RMSE | over seeds | 95 % interval "
        "| / persistence |",
        "|---|---:|---:|---:|---:|---:|",
    ]  # fmt: skip
    persistence = float(np.mean(errors[_PERSISTENCE]))
    times = _training_times(first, settings)
    if times:
        lines[-2:] = [lines[-2] + " steps | training [s] |", lines[-1] + "---:|---:|"]
    for model, values in sorted(errors.items(), key=lambda item: float(np.mean(item[1]))):
        rate = _learning_rate(first, settings, model)
        is_baseline = model in BASELINES
        spread = "–" if is_baseline or len(values) < 2 else f"{min(values):.4f} – {max(values):.4f}"
        lines.append(
            f"| {model.replace('_', ' ') if is_baseline else names[model]} "
            f"| {'–' if rate is None else f'{rate:g}'} | {np.mean(values):.4f} | {spread} "
            f"| {intervals.get(model, '–')} | {np.mean(values) / persistence:.3f} |"
            + (f" {times.get(model, '– | –')} |" if times else "")
        )
    lines += ["", "What is claimed, by the paper unless marked, and what these runs say:", "",
              "| claim | difference of the means | here |", "|---|---:|---|"]  # fmt: skip
    for claim in CLAIMS:
        if claim.better in errors and claim.worse in errors:
            difference = np.mean(errors[claim.better]) - np.mean(errors[claim.worse])
            verdict = judged(errors[claim.better], errors[claim.worse])
            lines.append(f"| {claim.says} | {difference:+.4f} | {verdict} |")
    return "\n".join([*lines, "", _beating(scores, errors, names)])


def _beating(
    scores: Sequence[xr.Dataset], errors: Mapping[str, Sequence[float]], names: Mapping[str, str]
) -> str:
    """Say which networks are better than the best yardstick, by how much, and how surely.

    One whose interval holds 0 is level with it.
    """
    best = min((m for m in BASELINES if m in errors), key=lambda m: float(np.mean(errors[m])))
    better: list[str] = []
    level: list[str] = []
    for model in sorted(names, key=lambda m: float(np.mean(errors[m]))):
        if np.mean(errors[model]) >= np.mean(errors[best]):
            continue
        # With its own seeds: not every network is trained with all.
        own = [of_seed for of_seed in scores if model in of_seed["model"].values]
        pairs = zip(errors[model], _errors(own)[best], strict=True)
        margins = [1 - error / other for error, other in pairs]
        ends = _margin_ends(own, model=model, other=best)
        paired = f" [{100 * ends[0]:.2f}, {100 * ends[1]:.2f}]" if ends else ""
        found = level if ends and ends[0] <= 0 else better
        found.append(f"{names[model]} by {np.mean(margins):.2%}{paired}")
    listed = ", ".join(better) or "none"
    listed += f"; no more than level with it: {', '.join(level)}" if level else ""
    brackets = " Brackets: paired 95 % intervals, averaged over seeds." if "[" in listed else ""
    return f"Better than the best yardstick, {best.replace('_', ' ')}: {listed}.{brackets}"


def _margin_ends(
    scores: Sequence[xr.Dataset], *, model: str, other: str
) -> tuple[float, float] | None:
    """Average the ends of the margins' paired intervals; None where a seed has none."""
    ends = [margin_intervals(s, network=model, others=[other]).get(other) for s in scores]
    known = [pair for pair in ends if pair is not None]
    if len(known) < len(ends):
        return None
    low, high = map(float, np.mean(known, axis=0))
    return low, high


def _training_times(part: ScoredPart, settings: Mapping[str, Any]) -> dict[str, str]:
    """Give steps and seconds of each training, where the study measured what a step costs."""
    models = settings["models"]
    steps = {
        model: int(models[model]["optimization"]["max_epochs"]) * part.steps_an_epoch[model]
        for model in part.costs
    }
    return {
        model: f"{count} | {count * part.costs[model].step_time:.0f}"
        for model, count in steps.items()
    }


def judged(better: Sequence[float], worse: Sequence[float]) -> str:
    """Say whether errors bear a claim out: only where every seed of one is below all the other's.

    With a single seed nothing is decided, and the direction alone is said; a difference that the
    page's four decimals do not show is none.
    """
    if abs(np.mean(better) - np.mean(worse)) < _SHOWN:
        return "no difference"
    if len(better) < 2 or len(worse) < 2:
        return f"one seed: {'agrees' if better[0] < worse[0] else 'contradicts'}"
    if max(better) < min(worse):
        return "agrees"
    if min(better) > max(worse):
        return "**contradicts**"
    return "undecided: the seeds overlap"


def _learning_rate(part: ScoredPart, settings: Mapping[str, Any], model: str) -> float | None:
    """Give the rate that a search chose, or that the settings say; None for what is not trained."""
    own = settings["models"].get(model, {}).get("optimization", {}).get("learning_rate")
    rate = part.learning_rates.get(model, own)
    return None if rate is None else float(rate)


def _search(part: ScoredPart, settings: Mapping[str, Any]) -> str:
    """Say which learning rates were tried, and whose best one might lie beyond them."""
    tried = sorted(map(float, settings["study"].get("learning_rates") or ()))
    if len(tried) < 2:
        return ""
    chose = part.learning_rates
    at_end = [row for row, model in part.rows.items() if chose.get(model) == tried[-1]]
    those = "every network" if len(at_end) == len(part.rows) else ", ".join(at_end) or "none"
    return (
        f" Learning rates tried: {', '.join(f'{rate:g}' for rate in tried)}; "
        f"chose the largest, so that a larger one might serve still better: {those}."
    )


def _errors(scores: Sequence[xr.Dataset]) -> dict[str, list[float]]:
    """Give the normalized RMSE of every model, a value a seed."""
    errors: dict[str, list[float]] = {}
    for of_seed in scores:
        for model, value in of_seed["normalized_rmse"].to_series().items():
            errors.setdefault(str(model), []).append(float(value))
    return errors


def _intervals(scores: Sequence[xr.Dataset]) -> dict[str, str]:
    """Average the ends of the seeds' intervals; nothing where a period is too short for any."""
    ends: dict[str, list[tuple[float, float]]] = {}
    for of_seed in scores:
        for model in map(str, of_seed["model"].values):
            low, high = (
                float(of_seed[f"normalized_rmse_{end}"].sel(model=model)) for end in ("low", "high")
            )
            if np.isfinite(low):
                ends.setdefault(model, []).append((low, high))
    means = {model: np.mean(some, axis=0) for model, some in ends.items()}
    return {model: f"{low:.4f} – {high:.4f}" for model, (low, high) in means.items()}


if __name__ == "__main__":
    write_results_page([Path(folder) for folder in sys.argv[2:]], Path(sys.argv[1]))
