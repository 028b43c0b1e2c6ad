"""Fill a run's folder; each result is made where it is not there of just these inputs."""

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from pipelines.evaluation.analyze import analyze
from pipelines.evaluation.evaluate import evaluate, write_examples
from pipelines.evaluation.identity import ScoredModels
from pipelines.evaluation.settings import ScoringSettings
from pipelines.run_folder import RunFolder
from pipelines.storms.follow import storm_file, track_storms
from pipelines.training.costs_file import COSTS_FILE, write_costs

__all__ = [
    "analyze_run",
    "follow_storms",
    "forget_storms",
    "gather_costs",
    "score_run",
    "show_examples",
]


def score_run(
    run: RunFolder, models: ScoredModels, *, scoring: ScoringSettings, batch_size: int, device: str
) -> None:
    """Score models and baselines; arguments as of `pipelines.evaluation.evaluate.evaluate`."""
    identity = models.scores(scoring)
    kept = not scoring.save_forecasts or run.made_from("forecasts") == identity
    if kept and run.is_current("scores", identity, run.scores, run.scores_json, run.statistics):
        return
    with ExitStack() as results:
        results.enter_context(run.making("scores", identity))
        if scoring.save_forecasts:
            results.enter_context(run.making("forecasts", identity))
        evaluate(
            models.training_set, window=models.window, split=models.split,
            checkpoints=models.checkpoints, out=run.path, batch_size=batch_size, device=device,
            scoring=scoring, protocol=models.protocol,
        )  # fmt: skip


def show_examples(run: RunFolder, models: ScoredModels, *, num: int) -> None:
    """Work some windows for people to look at."""
    identity = models.examples(num)
    if run.is_current("examples", identity, run.examples):
        return
    with run.making("examples", identity):
        write_examples(
            models.training_set, window=models.window, split=models.split,
            checkpoints=models.checkpoints, out=run.path, num=num, protocol=models.protocol,
        )  # fmt: skip


def analyze_run(run: RunFolder, models: ScoredModels, *, num_samples: int, seed: int) -> None:
    """Compute CKA and attention; arguments as of `pipelines.evaluation.analyze.analyze`."""
    identity = models.analysis(num_samples=num_samples, seed=seed)
    if run.is_current("analysis", identity, run.analysis):
        return
    with run.making("analysis", identity):
        analyze(
            models.training_set, window=models.window, split=models.split,
            checkpoints=models.checkpoints, out=run.path, num_samples=num_samples, seed=seed,
        )  # fmt: skip


def gather_costs(run: RunFolder, models: ScoredModels) -> None:
    """Gather the times of training steps, as of `pipelines.training.costs_file.write_costs`."""
    identity = models.costs()
    if run.is_current("costs", identity, run.path / COSTS_FILE):
        return
    with run.making("costs", identity):
        write_costs(models.checkpoints, out=run.path)


def follow_storms(
    run: RunFolder,
    models: ScoredModels,
    *,
    storms: Sequence[str],
    batch_size: int,
    device: str,
    table: Path | None = None,
) -> None:
    """Follow storms; arguments as of `pipelines.storms.follow.track_storms`."""
    for storm in storms:
        file = storm_file(run.path, storm)
        identity = models.tracks(storm, table=table)
        if run.is_current(file.stem, identity, file):
            continue
        with run.making(file.stem, identity):
            track_storms(
                models.training_set, window=models.window, split=models.split,
                checkpoints=models.checkpoints, storms=[storm], out=run.path, table=table,
                batch_size=batch_size, device=device,
            )  # fmt: skip


def forget_storms(run: RunFolder, *, but: Sequence[str]) -> None:
    """Remove the tracks of storms that are asked for no longer: a page shows all there are."""
    kept = [storm_file(run.path, storm) for storm in but]
    for file in run.tracks:
        if file not in kept:
            file.unlink()
