"""A finished run folder in MLflow: one parent run, with a child a stage and model."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pipelines.evaluation.summary import networks_of, open_scores
from pipelines.run_folder import RunFolder
from pipelines.tracking.find_runs import (
    SCORES_TAG,
    find_or_start_run,
    open_experiment,
    run_of_scores,
)
from pipelines.tracking.logged_values import log_curves, log_metrics, log_scores, log_settings
from pipelines.tracking.mlflow_quiet import mlflow, mlflow_client
from pipelines.tracking.store_lock import one_at_a_time

__all__ = ["log_files", "track_run"]

_REPORT = "met2net.report"  # tag of what a run's report was made from


@one_at_a_time
def track_run(
    run: RunFolder,
    *,
    tracking_uri: str,
    experiment: str,
    fingerprint: str,
    settings: Mapping[str, Any],
    tags: Mapping[str, str],
    name: str | None = None,
) -> str:
    """Log a finished run folder; give the parent run's id.

    Children: `train <network>` with the epoch curves, `score <model>` with the scores (of
    baselines too), `analyze`. The parent has settings, tags, normalized RMSE of every model,
    figures, report and score files; it is called `name`, by default as the experiment. Called
    again with the same scores, it adds nothing to runs that are finished, but that a report
    which was written anew takes the older one's place. Other scores make another run.
    """
    client = mlflow_client(tracking_uri)
    experiment_id = open_experiment(tracking_uri, experiment)
    made_from = {SCORES_TAG: run.made_from("scores") or "", _REPORT: run.made_from("report") or ""}
    parent = run_of_scores(
        client, experiment_id, fingerprint=fingerprint, stage=experiment,
        scores=made_from[SCORES_TAG], name=name,
    )  # fmt: skip

    def child(stage: str) -> str:
        return find_or_start_run(
            client, experiment_id, fingerprint=fingerprint, stage=stage, parent=parent
        )

    client.set_tag(parent, SCORES_TAG, made_from[SCORES_TAG])
    if _is_finished(client, parent):
        if client.get_run(parent).data.tags.get(_REPORT) != made_from[_REPORT]:
            _log_results(client, parent, run)
            if run.analysis.exists():
                _log_files(client, child("analyze"), [run.analysis])
            client.set_tag(parent, _REPORT, made_from[_REPORT])
        return parent
    scores = open_scores(run.scores)

    for network in networks_of(scores):
        curves = run.curves(network)
        if curves.exists():
            run_id = child(f"train {network}")
            log_curves(client, run_id, curves)
            client.set_terminated(run_id)
    for model in map(str, scores["model"].values):
        run_id = child(f"score {model}")
        log_scores(client, run_id, scores, model=model)
        client.set_terminated(run_id)
    if run.analysis.exists():
        run_id = child("analyze")
        _log_files(client, run_id, [run.analysis])
        client.set_terminated(run_id)
    for key, value in tags.items():
        client.set_tag(parent, key, value)
    log_settings(client, parent, settings)
    normalized = scores["normalized_rmse"].to_series()
    split = scores.attrs["split"]
    log_metrics(
        client,
        parent,
        ((f"{split}/normalized_rmse/{k}", float(v), 0) for k, v in normalized.items()),
    )
    _log_results(client, parent, run)
    client.set_tag(parent, _REPORT, made_from[_REPORT])
    client.set_terminated(parent)
    return parent


def _log_results(client: "mlflow.MlflowClient", run_id: str, run: RunFolder) -> None:
    """Log the files of a run that people look at."""
    files = (run.config, run.scores, run.scores_json, run.examples, run.report)
    _log_files(client, run_id, [*files, *run.tracks])
    for folder in (run.figures, run.tables):
        if folder.is_dir():
            client.log_artifacts(run_id, str(folder), folder.name)


def log_files(run_id: str, paths: Sequence[Path], *, tracking_uri: str) -> None:
    """Log further files to a run; those that are not there are left out."""
    _log_files(mlflow_client(tracking_uri), run_id, paths)


def _is_finished(client: "mlflow.MlflowClient", run_id: str) -> bool:
    return bool(client.get_run(run_id).info.status == "FINISHED")


def _log_files(client: "mlflow.MlflowClient", run_id: str, paths: Sequence[Path]) -> None:
    for path in paths:
        if path.exists():
            client.log_artifact(run_id, str(path))
