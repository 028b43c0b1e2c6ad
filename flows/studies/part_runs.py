"""The experiments of a study, one a part, protocol and seed; what each row of its table is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flows.settings.config import Experiment, load_experiment
from flows.settings.study import Part, Study
from pipelines.errors import DataError
from pipelines.paper.published_scores import PublishedScore, published_scores

__all__ = ["PartRun", "part_experiments", "published_of"]


@dataclass(frozen=True)
class PartRun:
    """One part of a study under one protocol with one seed, ready to be run.

    Attributes:
        name: of the part.
        protocol: `clean`, `paper` or `released`.
        rows: row of the table -> model.
        experiment: with these models alone.
        is_measured: whether costs are measured: they do not depend on protocol and seed, so that
            the first of each does.
    """

    name: str
    protocol: str
    rows: Mapping[str, str]
    experiment: Experiment
    is_measured: bool


def part_experiments(study: Study, overrides: Sequence[str]) -> list[PartRun]:
    """Compose every experiment of a study, seed by seed inside protocol inside part.

    With a further seed only the models that are repeated are run, where the study names such.

    Raises:
        DataError: if a part's row names a model that it does not have, or no row one of those that
            are repeated.
    """
    published = published_of(study)
    runs = []
    for name, part in study.parts.items():
        for protocol in study.protocols:
            for number, seed in enumerate(study.seeds or (None,)):
                own = [*study.at.get(study.scale, ()), *part.overrides,
                       *part.at.get(study.scale, ()), f"protocol={protocol}"]  # fmt: skip
                own += [] if seed is None else [f"seed={seed}"]
                experiment = load_experiment(_joined(own, overrides))
                rows = _rows(part, experiment, published)
                if number > 0 and study.repeated:
                    rows = {row: model for row, model in rows.items() if model in study.repeated}
                    if not rows:
                        continue
                models = {model: experiment.models[model] for model in rows.values()}
                chosen = replace(experiment, models=models)
                is_measured = number == 0 and protocol == study.protocols[0]
                runs.append(PartRun(name, protocol, rows, chosen, is_measured))
    shown = {model for run in runs for model in run.rows.values()}
    for model in study.repeated:
        if model not in shown:
            raise DataError(f"study.repeated has {model!r}; expected some of {sorted(shown)}")
    return runs


def published_of(study: Study) -> Sequence[PublishedScore]:
    """Give the paper's numbers; none for figures and studies of our own."""
    return published_scores(study.shows) if study.shows.startswith("table") else ()


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
