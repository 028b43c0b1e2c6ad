"""Run a table or figure of the paper: its experiments one after the other, then what they show.

Every training is kept under the fingerprint of all that it follows from, so that tables share
them and a stopped run is continued by the same command.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from flows.cds_secret import use_secret
from flows.compose import resolve
from flows.config import Experiment, load_experiment
from flows.config_error import refusing_wrong_settings
from flows.result_console import result_console
from flows.study_counts import count_cells
from flows.study_settings import Part, Study
from flows.study_training import Train, train_models, training_job
from met2net.training_set import TrainingSet
from pipelines.archive import ArchiveState
from pipelines.atomic import write_text
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint, to_plain
from pipelines.image_sequences.sequences import SequenceFiles
from pipelines.published_scores import PublishedScore, published_scores
from pipelines.sources.generated import STORM_NUMBERS, STORMS, Generated
from pipelines.storm_checks import check_storms
from pipelines.storms import storm_file, track_storms
from pipelines.study_cells import Cell, score_cells, with_published
from pipelines.study_costs import cost_cells
from pipelines.study_figures import FigureChoice, draw_study
from pipelines.study_parts import ScoredPart, write_parts
from pipelines.study_table import study_table, write_study_table
from pipelines.tracking_study import track_study

__all__ = ["PartRun", "Stages", "load_study", "part_experiments", "run_study"]

_NOTES = (
    "Clean: statistics from the training split, validation on its own split, every window, root "
    "taken last. Paper protocol: see docs/verification.md. Published: Li et al. 2025, "
    "arXiv:2507.17189. Scores count all grid points alike and pool all lead times. Costs are "
    "measured on the device that the models were trained on.",
)


def load_study(overrides: Sequence[str]) -> Study | None:
    """Read the study of an experiment; None where it is no table or figure.

    Raises:
        ConfigError: if an override does not fit or a value is refused.
    """
    plain = resolve(overrides)["study"]
    if plain is None:
        return None
    with refusing_wrong_settings():
        return Study.of(plain)


@dataclass(frozen=True)
class Stages:
    """Stages of `full_experiment` that a study calls for each of its parts."""

    update_archive: Callable[[Experiment], ArchiveState | SequenceFiles]
    prepare: Callable[[Experiment, ArchiveState | SequenceFiles], Path]
    score: Callable[[Experiment, Path, Mapping[str, Path], Path], None]
    explain: Callable[[Experiment, Path, Mapping[str, Path], Path], None]
    train: Train


def run_study(study: Study, overrides: Sequence[str], *, stages: Stages) -> Path:
    """Run what is missing of a study and show it.

    Args:
        study: what to run.
        overrides: that the experiment was asked for with; each part adds its own.
        stages: of `full_experiment`.

    Returns:
        Folder of the table (`table.csv`, `table.md`) and the figures.

    Raises:
        DataError: if a part names a model that there is not.
    """
    runs = part_experiments(study, overrides)
    first = runs[0].experiment
    use_secret(first.prefect_secret)
    key = fingerprint(to_plain(study), *(run.experiment.science for run in runs))
    folder = first.workspace / "studies" / f"{first.name}-{study.scale}-{key}"
    write_text(folder / "config.yaml", first.yaml)
    figures: list[Path] = []
    if study.counts_only:
        cells = count_cells([(run.name, run.protocol, run.experiment) for run in runs])
    else:
        scored = [_run_part(run, study, stages=stages) for run in runs]
        write_parts(folder / "study.json", scored)
        cells = _cells(study, scored)
        choice = FigureChoice(
            study.variables, study.example, study.track_leads, first.evaluation.maps
        )
        figures = draw_study(scored, cells, study.drawings, choice=choice,
                             folder=folder / "figures")  # fmt: skip
    cells = with_published(cells, _published(study.shows))
    files = write_study_table(cells, title=first.title, folder=folder, notes=_NOTES)
    track_study(
        [*files, folder / "config.yaml", *figures], tracking_uri=first.tracking_uri,
        experiment=first.name, fingerprint=key, cells=cells, settings=first.resolved,
    )  # fmt: skip
    console = result_console()
    if cells:
        console.print(study_table(cells, title=first.title))
    for path in (*files, *figures):
        console.print(str(path), soft_wrap=True)
    return folder


@dataclass(frozen=True)
class PartRun:
    """One part of a study under one protocol with one seed, ready to be run."""

    name: str
    protocol: str
    rows: Mapping[str, str]
    experiment: Experiment


def part_experiments(study: Study, overrides: Sequence[str]) -> list[PartRun]:
    """Compose every experiment of a study, seed by seed inside protocol inside part.

    Raises:
        DataError: if a part's row names a model that it does not have.
    """
    published = _published(study.shows)
    runs = []
    for name, part in study.parts.items():
        for protocol in study.protocols:
            for seed in study.seeds or (None,):
                own = [*study.at.get(study.scale, ()), *part.overrides,
                       *part.at.get(study.scale, ()), f"protocol={protocol}"]  # fmt: skip
                own += [] if seed is None else [f"seed={seed}"]
                experiment = load_experiment(_joined(own, overrides))
                rows = _rows(part, experiment, published)
                models = {model: experiment.models[model] for model in rows.values()}
                chosen = replace(experiment, models=models)
                runs.append(PartRun(name, protocol, rows, chosen))
    return runs


def _joined(own: Sequence[str], of_user: Sequence[str]) -> list[str]:
    """Join overrides; of those of one key the last counts, and the user's are the last."""
    by_key: dict[str, str] = {}
    for override in (*own, *of_user):
        by_key[override.split("=", 1)[0].lstrip("+")] = override
    return list(by_key.values())


def _rows(
    part: Part, experiment: Experiment, published: Sequence[PublishedScore]
) -> Mapping[str, str]:
    """Give row -> model: those of the part, else the published rows that have a model here."""
    models = list(experiment.models)
    if part.rows:
        unknown = [model for model in part.rows.values() if model not in models]
        if unknown:
            raise DataError(f"a row names model {unknown[0]!r}; expected one of: {models}")
        return part.rows
    rows = {}
    for row in dict.fromkeys(score.row for score in published):
        name = row.lower().replace("+", "p")
        model = next((m for m in (name, f"{name}_single") if m in models), None)
        if model is not None:
            rows[row] = model
    return rows or {model: model for model in models}


def _published(shows: str) -> Sequence[PublishedScore]:
    """Give the paper's numbers; none for figures and studies of our own."""
    return published_scores(shows) if shows.startswith("table") else ()


def _run_part(run: PartRun, study: Study, *, stages: Stages) -> ScoredPart:
    """Prepare, train, score and analyse one part; each step finds what is there already."""
    experiment = run.experiment
    archive = stages.update_archive(experiment)
    training_set = stages.prepare(experiment, archive)
    storms, table = _storms(experiment, study)
    check_storms(
        training_set, window=experiment.window, split=experiment.evaluation.split, storms=storms,
        table=table,
    )  # fmt: skip
    checkpoints, rates = train_models(
        experiment, study, archive=archive, training_set=training_set, train=stages.train
    )
    folder = experiment.workspace / "studies" / "parts" / "-".join(
        (run.name, run.protocol, fingerprint(
            training_set.stem, experiment.window, experiment.evaluation, experiment.protocol,
            {name: path.parent.name for name, path in checkpoints.items()}, study.analyze,
        ))
    )  # fmt: skip
    stages.score(experiment, training_set, checkpoints, folder)
    if study.analyze:
        stages.explain(experiment, training_set, checkpoints, folder)
    part = ScoredPart(
        part=run.name, protocol=run.protocol, seed=experiment.seed, folder=folder,
        training_set=training_set, variables=experiment.variables, rows=run.rows,
        checkpoints=checkpoints, learning_rates=rates,
    )  # fmt: skip
    _track(experiment, study, training_set=training_set, checkpoints=checkpoints, folder=folder)
    if study.costs and run.protocol == study.protocols[0]:
        jobs = {
            name: training_job(experiment, name, archive=archive, training_set=training_set)
            for name in experiment.models
        }
        windows = TrainingSet.open(training_set).windows("train", experiment.window)
        part = part.with_costs(
            jobs, num_windows=len(windows), folder=experiment.workspace / "studies" / "costs",
            in_process=study.in_process,
        )  # fmt: skip
    return part


def _storms(experiment: Experiment, study: Study) -> tuple[Sequence[str], Path | None]:
    """Give the study's storms and their best tracks, or those of made-up weather."""
    if study.storms and isinstance(experiment.source, Generated):
        return STORM_NUMBERS, STORMS
    return study.storms, None if study.best_tracks is None else Path(study.best_tracks)


def _track(
    experiment: Experiment,
    study: Study,
    *,
    training_set: Path,
    checkpoints: Mapping[str, Path],
    folder: Path,
) -> None:
    """Follow the study's storms."""
    names, table = _storms(experiment, study)
    missing = [name for name in names if not storm_file(folder, name).is_file()]
    if missing:
        track_storms(
            training_set, window=experiment.window, split=experiment.evaluation.split,
            checkpoints=checkpoints, storms=missing, out=folder, table=table,
            batch_size=experiment.evaluation.batch_size, device=experiment.trainer.torch_device,
        )  # fmt: skip


def _cells(study: Study, scored: Sequence[ScoredPart]) -> list[Cell]:
    """Give what was measured and scored."""
    costs = cost_cells(scored, study.costs) if study.costs else []
    scores = score_cells(
        scored, metrics=study.metrics, variables=study.variables, together=study.together
    )
    return [*costs, *scores]
