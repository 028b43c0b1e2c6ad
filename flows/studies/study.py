"""Run a table or figure of the paper: its experiments one after the other, then what they show.

Every training is kept under the fingerprint of all that it follows from, so that tables share
them and a stopped run is continued by the same command.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from flows.console.result import result_console
from flows.settings.compose import resolve
from flows.settings.config import Experiment
from flows.settings.config_error import refusing_wrong_settings
from flows.settings.early_checks import check_early
from flows.settings.study import Study
from flows.settings.window_counts import count_cells
from flows.stages.cds_secret import use_secret
from flows.stages.model_job import model_job
from flows.studies.part_runs import PartRun, part_experiments, published_of
from flows.studies.training import Train, train_models
from met2net.data.channel_roles import forecast_variables
from met2net.data.training_set import TrainingSet
from pipelines.archive.state import ArchiveState
from pipelines.atomic import write_text
from pipelines.evaluation.identity import ScoredModels, scoring_identity
from pipelines.evaluation.score_checks import check_scoring
from pipelines.evaluation.scored_run import follow_storms
from pipelines.fingerprint import fingerprint, to_plain
from pipelines.image_sequences.sequences import SequenceFiles
from pipelines.paper.cells import Cell, score_cells, with_published
from pipelines.run_folder import RunFolder
from pipelines.sources.generated import STORM_NUMBERS, STORMS, Generated
from pipelines.storms.checks import check_storms
from pipelines.studies.costs import cost_cells
from pipelines.studies.parts import ScoredPart, write_parts
from pipelines.studies.table import study_table, write_study_table
from pipelines.studies.tracking import track_study

__all__ = ["Stages", "load_study", "run_study"]

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
    score: Callable[[Experiment, ScoredModels, RunFolder], None]
    explain: Callable[[Experiment, ScoredModels, RunFolder], None]
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
    if not study.counts_only:
        for run in runs:
            check_early(run.experiment, analyzes=study.analyze)
    use_secret(first.prefect_secret)
    key = fingerprint(
        to_plain(study), *((run.experiment.science, run.experiment.inputs) for run in runs)
    )
    folder = first.workspace / "studies" / f"{first.name}-{study.scale}-{key}"
    write_text(folder / "config.yaml", first.yaml)
    figures: list[Path] = []
    made_from: list[str | None] = []
    if study.counts_only:
        cells = count_cells([(run.name, run.protocol, run.experiment) for run in runs])
    else:
        scored = [_run_part(run, study, stages=stages) for run in runs]
        write_parts(folder / "study.json", scored)
        made_from = [RunFolder(part.folder).made_from("scores") for part in scored]
        cells = _cells(study, scored)
        # Imported here: the library that draws is large, and every experiment loads this module.
        from pipelines.studies.figures import FigureChoice, draw_study

        choice = FigureChoice(
            study.variables, study.example, study.track_leads, first.evaluation.maps
        )
        figures = draw_study(scored, cells, study.drawings, choice=choice,
                             folder=folder / "figures")  # fmt: skip
    cells = with_published(cells, published_of(study))
    files = write_study_table(cells, title=first.title, folder=folder, notes=_NOTES)
    track_study(
        [*files, folder / "config.yaml", *figures], tracking_uri=first.tracking_uri,
        experiment=first.name, cells=cells,
        fingerprint=fingerprint(key, made_from, first.title, [repr(cell) for cell in cells]),
        settings=first.resolved,
    )  # fmt: skip
    console = result_console()
    if cells:
        console.print(study_table(cells, title=first.title))
    for path in (*files, *figures):
        console.print(str(path), soft_wrap=True)
    return folder


def _run_part(run: PartRun, study: Study, *, stages: Stages) -> ScoredPart:
    """Prepare, train, score and analyse one part; each step finds what is there already."""
    experiment = run.experiment
    archive = stages.update_archive(experiment)
    training_set = stages.prepare(experiment, archive)
    check_scoring(
        training_set, window=experiment.window, evaluation=experiment.evaluation,
        analyzes=study.analyze,
    )  # fmt: skip
    storms, table = _storms(experiment, study)
    check_storms(
        training_set, window=experiment.window, split=experiment.evaluation.split, storms=storms,
        table=table,
    )  # fmt: skip
    checkpoints, rates = train_models(
        experiment, study, training_set=training_set, train=stages.train
    )
    models = ScoredModels(
        training_set, experiment.window, experiment.evaluation.split, checkpoints,
        experiment.protocol,
    )  # fmt: skip
    # Where scores lie follows from the trainings; whether they are current, from the weights.
    key = fingerprint(
        training_set.stem, experiment.window, experiment.evaluation.split, experiment.protocol,
        scoring_identity(experiment.evaluation.scoring),
        [[name, path.parent.name] for name, path in checkpoints.items()],
    )  # fmt: skip
    folder = experiment.workspace / "studies" / "parts" / f"{run.name}-{run.protocol}-{key}"
    results = RunFolder(folder)
    for name, checkpoint in checkpoints.items():
        results.link_model(name, checkpoint.parent)
    stages.score(experiment, models, results)
    if study.analyze:
        stages.explain(experiment, models, results)
    part = ScoredPart(
        part=run.name, protocol=run.protocol, seed=experiment.seed, folder=folder,
        training_set=training_set, rows=run.rows,
        variables=forecast_variables(experiment.window, experiment.variables),
        checkpoints=checkpoints, learning_rates=rates,
    )  # fmt: skip
    follow_storms(
        results, models, storms=storms, table=table, batch_size=experiment.evaluation.batch_size,
        device=experiment.trainer.torch_device,
    )  # fmt: skip
    if study.costs and run.is_measured:
        jobs = {
            name: model_job(experiment, name, training_set=training_set)
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


def _cells(study: Study, scored: Sequence[ScoredPart]) -> list[Cell]:
    """Give what was measured and scored."""
    costs = cost_cells(scored, study.costs) if study.costs else []
    scores = score_cells(
        scored, metrics=study.metrics, variables=study.variables, together=study.together
    )
    return [*costs, *scores]
