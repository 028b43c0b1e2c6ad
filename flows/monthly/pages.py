"""The pages of the retraining: one a month, and the history of a replay."""

import csv
import io
from collections.abc import Sequence
from pathlib import Path

import met2net
from flows.settings.monthly import MonthlySettings
from flows.stages.stage import stage
from pipelines.atomic import write_text
from pipelines.registry.versions import run_of_version
from pipelines.report.operations import Section, to_markdown, write_page
from pipelines.report.page import report_run
from pipelines.retraining.drift import Drift
from pipelines.retraining.outcome import COLUMNS, Outcome
from pipelines.retraining.plan import RetrainingPlan
from pipelines.run_folder import RunFolder
from pipelines.tracking.track_run import log_files

__all__ = ["month_markdown", "write_history", "write_month_page", "write_report"]


@stage("write report")
def write_report(
    settings: MonthlySettings, plan: RetrainingPlan, outcome: Outcome, run: RunFolder
) -> None:
    """Write the report of the month's scores, where the settings ask for it."""
    experiment = settings.experiment
    if not settings.reports:
        return
    report_run(
        run,
        title=f"{experiment.title}: challenger of {plan.month}",
        provenance={
            "Experiment": experiment.name,
            "Month": plan.month,
            "Source": experiment.source.name,
            "Archive snapshot": plan.snapshot_id,
            "Champion before": plan.champion or "none",
            "Started from": outcome.started_from or "scratch",
            "met2net": met2net.__version__,
            **{f"Split: {name}": str(p) for name, p in plan.splits.periods().items()},
        },
        attribution=experiment.source.attribution,
        network="challenger",
        maps=experiment.evaluation.maps,
    )


@stage("write page")
def write_month_page(
    settings: MonthlySettings, plan: RetrainingPlan, outcome: Outcome, drift: Drift, run: RunFolder
) -> None:
    """Write the month's page, with version, decision and drift, and log it to the version's run."""
    title, sections = _title(settings, outcome), _sections(plan, outcome, drift)
    if settings.reports:
        text = "Scores, maps and training curves: report.html beside this page."
        sections.append(Section("More", (text,)))
    text_page = run.path / "month.md"
    write_text(text_page, to_markdown(title, sections))
    page = write_page(run.path / "month.html", title, sections)
    experiment = settings.experiment
    assert outcome.version is not None
    run_id = run_of_version(
        experiment.registered_model, outcome.version, tracking_uri=experiment.tracking_uri
    )
    log_files(run_id, [page, text_page], tracking_uri=experiment.tracking_uri)


def month_markdown(settings: MonthlySettings, outcome: Outcome) -> str:
    """Give the text of a Prefect artifact on what came of a month."""
    page = settings.month_folder(outcome.month) / "month.md"
    if outcome.action in ("promoted", "declined") and page.is_file():
        return page.read_text(encoding="utf-8")
    return to_markdown(_title(settings, outcome), [_what(outcome)])


def write_history(
    settings: MonthlySettings, outcomes: Sequence[Outcome], *, changes: Sequence[Section], out: Path
) -> Path:
    """Write the history of a replay as CSV, Markdown and one page; give the page."""
    title = f"{settings.experiment.title}: monthly retraining, replayed"
    counts = {word: sum(o.action == word for o in outcomes)
              for word in ("promoted", "declined", "refused", "nothing")}  # fmt: skip
    said = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
    rule = settings.promotion
    sections = [
        Section(
            "What happened",
            (
                f"{len(outcomes)} months: {said}.",
                f"Rule: {rule.metric}, margin {rule.margin:.1%}, {rule.test.replace('_', ' ')} "
                f"at {rule.confidence:.0%} confidence, yardstick {rule.yardstick}, drift up to "
                f"{rule.maximum_drift}. Challengers start from {settings.start}.",
                "Each month's challenger and champion are scored on the same windows of the "
                f"newest months ({settings.rolling.test_months}); scores of different months are "
                "of different weather.",
            ),
        ),
        Section("History", (), COLUMNS[:-1], tuple(tuple(o.row()[:-1]) for o in outcomes)),
        Section(
            "Reasons",
            (),
            ("month", "decision", "reasons"),
            tuple((o.month, o.action, "; ".join(o.reasons)) for o in outcomes),
        ),
        *changes,
    ]
    if attribution := settings.experiment.source.attribution:
        sections.append(Section("Data", (attribution,)))
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows(outcome.row() for outcome in outcomes)
    write_text(out / "history.csv", text.getvalue())
    write_text(out / "history.md", to_markdown(title, sections))
    return write_page(out / "history.html", title, sections)


def _title(settings: MonthlySettings, outcome: Outcome) -> str:
    what = outcome.month
    if outcome.action in ("promoted", "declined"):
        what += f", challenger {outcome.action}"
    else:
        what += ", nothing to do" if outcome.action == "nothing" else f", {outcome.action}"
    return f"{settings.experiment.title}: {what}"


def _what(outcome: Outcome) -> Section:
    lines = [f"{reason}." for reason in outcome.reasons]
    if outcome.new_months:
        lines.append(f"Months added to the archive: {_listing(outcome.new_months)}.")
    if outcome.action == "nothing" and outcome.champion is not None:
        lines.append(f"Version {outcome.champion} stays in production.")
    if outcome.replaced_months:
        lines.append(f"Months asked for again as final: {_listing(outcome.replaced_months)}.")
    return Section("Outcome", tuple(lines))


def _listing(months: Sequence[str]) -> str:
    return ", ".join(months) if len(months) <= 3 else f"{months[0]} to {months[-1]}"


def _sections(plan: RetrainingPlan, outcome: Outcome, drift: Drift) -> list[Section]:
    header, rows = drift.table()
    facts = [
        ("Challenger", f"version {outcome.version}"),
        ("Started from", outcome.started_from or "scratch"),
        ("Champion before", outcome.champion_before or "none"),
        ("Champion now", outcome.champion or "none"),
        ("Archive snapshot", plan.snapshot_id),
        *((f"Split {name}", str(period)) for name, period in plan.splits.periods().items()),
    ]
    findings = drift.findings or ("No statistic exceeds its limit",)
    row = dict(zip(COLUMNS, outcome.row(), strict=True))
    shown = ("score", "champion's score", "gain", "p", "drift")
    return [
        _what(outcome),
        Section("Challenger and champion", (), shown, (tuple(row[name] for name in shown),)),
        Section(
            "Drift of the new month",
            (f"Compared with {drift.reference}.", *(f"{finding}." for finding in findings)),
            tuple(header),
            tuple(map(tuple, rows)),
        ),
        Section("Provenance", (), ("", "value"), tuple(facts)),
    ]
