"""Whole experiments on tiny sets of image sequences: prepared, trained, scored, registered."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from flows import full_experiment as flow
from flows.settings.config import Experiment, load_experiment
from met2net.checkpoint import load_checkpoint
from pipelines.evaluation.identity import ScoredModels
from pipelines.run_folder import RunFolder
from pipelines.tracking.mlflow_quiet import mlflow
from tests.pipelines.image_sequences.image_files import make_taxi, write_mnist

SMALL = [
    "~models.tau", "size.spatial_dim=2", "size.latent_dim=8", "size.num_blocks=2",
    "size.num_heads=2", "size.num_scales=2", "training.max_epochs=1",
    "training.batches_per_epoch=2", "training.batch_size=4", "trainer.num_threads=1",
    "evaluation.num_analysis_samples=4", "evaluation.scoring.num_resamples=100",
    "evaluation.scoring.save_forecasts=true",
]  # fmt: skip


def run(experiment: Experiment) -> tuple[ScoredModels, RunFolder]:
    """Run the stages of the flow up to the scores."""
    training_set = flow.prepare.fn(experiment, flow.update_archive.fn(experiment))
    results = flow.open_run_folder(experiment, training_set)
    checkpoints = {"met2net": flow._train(experiment, "met2net", training_set, results)}
    models = flow.scored_models(experiment, training_set, checkpoints)
    flow.score.fn(experiment, models, results)
    return models, results


@pytest.mark.long
def test_mvmmfnist_from_idx_files_to_the_registry(tmp_path: Path) -> None:
    write_mnist(tmp_path)
    experiment = load_experiment([
        "experiment=mvmmfnist", f"workspace={tmp_path / 'workspace'}",
        f"source.mnist_folder={tmp_path / 'mnist'}",
        f"source.fashion_folder={tmp_path / 'fashion'}", "+source.image_size=32",
        "data.splits.num_train=12", "data.splits.num_validation=4", "data.splits.num_test=6",
        *SMALL,
    ])  # fmt: skip
    models, results = run(experiment)
    with xr.open_dataset(results.scores, decode_timedelta=False) as scores:
        assert scores.attrs["num_windows"] == 6 and scores.attrs["protocol"] == "clean"
        assert scores["channel"].values.tolist() == ["mnist", "fashion", "inverted"]
        assert np.isfinite(scores["benchmark"]).all()
        # A sum over pixels is their number times the mean.
        mean = scores["pooled"].sel(metric="mse", weighting="plain").sum("channel")
        summed = scores["benchmark"].sel(benchmark_metric="mse_summed")
        np.testing.assert_allclose(summed, 32 * 32 * mean, rtol=1e-5)
    flow.explain.fn(experiment, models, results)
    flow.write_page.fn(experiment, models, results)
    assert "MNIST" in results.report.read_text()
    assert flow.track_and_register.fn(experiment, models, results) == "1"
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path / 'workspace' / 'mlflow.db'}")
    (version,) = client.search_model_versions("name = 'met2net-mvmmfnist'")
    assert version.tags["protocol"] == "clean"


@pytest.mark.long
def test_taxibj_on_the_terms_of_the_paper(tmp_path: Path) -> None:
    np.savez(tmp_path / "taxi.npz", **make_taxi(train=16, test=6))
    experiment = load_experiment([
        "experiment=taxibj", "protocol=paper", f"workspace={tmp_path / 'workspace'}",
        f"source.file={tmp_path / 'taxi.npz'}", "data.habits.paper.splits.num_train=16",
        "data.splits.num_test=6", *SMALL,
    ])  # fmt: skip
    _, results = run(experiment)
    with xr.open_dataset(results.scores, decode_timedelta=False) as scores:
        assert scores.attrs["num_windows"] == 6 and scores.attrs["protocol"] == "paper"
        assert scores["rmse_of_batches"].dims == ("model", "variable")
        assert scores["benchmark"].sel(benchmark_metric="psnr").notnull().all()
    with xr.open_zarr(results.path / "forecasts" / "met2net.zarr", chunks=None) as forecasts:
        assert forecasts["inflow"].shape == (6, 4, 8, 8)
    checkpoint = load_checkpoint(results.model("met2net") / "model.safetensors")
    assert checkpoint.variables == {"flow": ("inflow", "outflow")}
    assert checkpoint.units == ("1", "1")


def test_made_up_images_stand_in_where_there_are_no_files(tmp_path: Path) -> None:
    experiment = load_experiment([
        "experiment=taxibj", "source=generated_images", "source.image_size=16",
        f"workspace={tmp_path}", "data.splits.num_train=4", "data.splits.num_validation=2",
        "data.splits.num_test=3",
    ])  # fmt: skip
    training_set = flow.prepare.fn(experiment, flow.update_archive.fn(experiment))
    with xr.open_zarr(training_set, chunks=None) as stored:
        assert stored["data"].shape == (9 * 8, 2, 16, 16)


@pytest.mark.parametrize("data", ["mvmmfnist", "taxibj"])
def test_absent_files_are_one_line_of_error(data: str, tmp_path: Path) -> None:
    experiment = load_experiment([f"experiment={data}", f"workspace={tmp_path}"])
    with pytest.raises(ValueError, match="found n") as caught:
        flow.update_archive.fn(experiment)
    assert "\n" not in str(caught.value)
