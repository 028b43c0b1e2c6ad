"""A training set of a variable that land lacks: kept as a mask, filled, left out of everything."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from met2net.checkpoint import load_checkpoint
from met2net.data.normalization import Normalizer
from met2net.data.renormalized_training_set import with_normalizer
from met2net.data.training_set import TrainingSet
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import WindowSpec
from met2net.misfit import misfit
from met2net.models.build import build
from met2net.training.references import set_references
from met2net.training.two_stage import TwoStage
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState
from pipelines.cluster import Threads
from pipelines.errors import DataError
from pipelines.evaluation.analyze import analyze
from pipelines.evaluation.evaluate import evaluate, write_examples
from pipelines.evaluation.settings import ScoringSettings
from pipelines.evaluation.split_statistics import split_normalizer
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.retraining.drift_sample import DriftSample
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.training.network_grid import network_on_grid
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.ridge import fitted_ridge
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
from tests.builders import FakeSource, make_month
from tests.pipelines.small_project import make_checkpoint

SST = "sea_surface_temperature"
FIELDS = {"2m_temperature": (), SST: ()}
LAND = np.zeros((3, 4), dtype=bool)
LAND[0, 1:] = LAND[2, 3] = True
SPLITS = Splits(
    train=Period("2016-01-02", "2016-01-07"),
    validation=Period("2016-01-08", "2016-01-09"),
    test=Period("2016-01-10", "2016-01-11"),
)
SETTINGS = TrainingSetSettings({"t2m": ("t2m",), "sst": ("sst",)}, SPLITS)
WINDOW = WindowSpec.regular(num_inputs=3, num_targets=2)
SCORING = ScoringSettings(block_days=1, num_resamples=100, save_forecasts=True)


class Sea(FakeSource):
    """Weather with land."""

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        month = make_month(request.hours, fields=request.fields)
        month[SST] = month[SST].where(~LAND)
        return RawMonth(month, {"source": "fake"})


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ArchiveState:
    folder = tmp_path_factory.mktemp("archive")
    return ingest(
        Sea(), period=Period("2016-01-01", "2016-01-12"), fields=FIELDS, grid=GridSettings(),
        raw_folder=folder / "raw", path=folder / "archive",
    )  # fmt: skip


@pytest.fixture(scope="module")
def store(archive: ArchiveState, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_training_set(archive, SETTINGS, folder=tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def checkpoint(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "m.safetensors"
    return make_checkpoint(path, store, valid=TrainingSet.open(store).valid)


@pytest.fixture(scope="module")
def scores(store: Path, checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _evaluate(store, checkpoint, tmp_path_factory.mktemp("scores"))


def _evaluate(
    store: Path, checkpoint: Path, out: Path, *, scoring: ScoringSettings = SCORING
) -> Path:
    return evaluate(
        store, window=WINDOW, split="test", checkpoints={"m": checkpoint}, out=out, scoring=scoring
    )


def _truth(period: Period) -> np.ma.MaskedArray:
    """Both channels of a period as the source gives them: (time, channel, lat, lon)."""
    month = make_month(period.hours(), fields=FIELDS)
    fields = np.stack([month[name].values for name in FIELDS], axis=1).astype(np.float64)
    mask = np.zeros(fields.shape, bool)
    mask[:, 1] = LAND
    return np.ma.masked_array(fields, mask)


def _spoilt(store: Path, folder: Path, value: float) -> Path:
    """Copy a store with other numbers under the mask, in fields and climatology."""
    shutil.rmtree(folder, ignore_errors=True)
    copy = folder / store.name
    shutil.copytree(store, copy)
    data = TrainingSet.open(store)
    for array, axis in (("data", 1), ("climatology", 2)):
        shape = xr.open_zarr(store, chunks=None)[array].shape
        files = [p for p in (copy / array / "c").rglob("*") if p.is_file()]
        assert len(files) <= 2
        for file in files:
            fields = np.fromfile(file, "<f4").reshape(-1, *shape[axis:])
            assert data.valid is not None
            fields[:, ~data.valid.mask] = value
            fields.tofile(file)
    return copy


def test_the_mask_is_kept_and_the_fields_are_filled(store: Path):
    dataset = xr.open_zarr(store, chunks=None)
    np.testing.assert_array_equal(dataset["valid_mask"].values, [~np.zeros_like(LAND), ~LAND])
    truth = _truth(Period("2016-01-02", "2016-01-11"))
    mean, std = (dataset[name].values[:, None, None] for name in ("mean", "std"))
    np.testing.assert_allclose(
        dataset["data"].values, ((truth - mean) / std).filled(0.0), atol=2e-6
    )
    data = TrainingSet.open(store)
    assert data.masked == ("sst",)
    assert (
        np.asarray(data.climatology.values[np.zeros(2, int), np.array([3, 9])])[:, 1, LAND] == 0
    ).all()


def test_statistics_are_those_of_numpy_s_masked_arrays(store: Path):
    dataset = xr.open_zarr(store, chunks=None)
    train = _truth(SPLITS.train)
    for name, expected in (
        ("mean", train.mean(axis=(0, 2, 3))), ("std", train.std(axis=(0, 2, 3))),
        ("minimum", train.min(axis=(0, 2, 3))), ("maximum", train.max(axis=(0, 2, 3))),
        ("difference_std", (train[6:] - train[:-6]).std(axis=(0, 2, 3))),
    ):  # fmt: skip
        np.testing.assert_allclose(dataset[name].values, expected, rtol=1e-9)
    hour = train[5::24].mean(axis=0)
    found = dataset["climatology"].values[0, 5] * dataset["std"].values[:, None, None]
    found = found + dataset["mean"].values[:, None, None]
    np.testing.assert_allclose(found[~hour.mask], hour.compressed(), rtol=1e-6)
    test = split_normalizer(TrainingSet.open(store), "test")
    np.testing.assert_allclose(test.std, _truth(SPLITS.test).std(axis=(0, 2, 3)), rtol=1e-6)


def test_a_set_without_such_points_has_no_mask_and_chunks_change_no_bit(
    archive: ArchiveState, store: Path, tmp_path: Path
):
    plain = TrainingSetSettings({"t2m": ("t2m",)}, SPLITS)
    dry = build_training_set(archive, plain, folder=tmp_path)
    assert "valid_mask" not in xr.open_zarr(dry, chunks=None)
    assert TrainingSet.open(dry).valid is None and TrainingSet.open(dry).masked == ()
    again = build_training_set(
        archive, SETTINGS, folder=tmp_path / "again",
        cluster=Threads(workers=100, memory_limit="1MiB"),  # a day of one channel at a time
    )  # fmt: skip
    for array in ("data", "climatology", "std", "valid_mask"):
        files = [path for path in (store / array).rglob("*") if path.is_file()]
        assert all(
            path.read_bytes() == (again / path.relative_to(store)).read_bytes() for path in files
        )


def test_drift_looks_at_points_with_a_value_alone(store: Path):
    data = TrainingSet.open(store)
    scale = {name: getattr(data, name) for name in ("mean", "std", "minimum", "maximum")}
    rows = np.flatnonzero(data.in_split("test"))
    found = DriftSample.of(data, rows, scale)
    test = _truth(SPLITS.test)
    np.testing.assert_allclose(
        found.mean, (test.mean(axis=(0, 2, 3)) - data.mean) / data.std, atol=1e-5
    )
    np.testing.assert_allclose(found.std, test.std(axis=(0, 2, 3)) / data.std, rtol=1e-5)
    roughness = np.ma.sqrt((np.ma.diff(test, axis=0) ** 2).mean(axis=(0, 2, 3))) / data.std
    np.testing.assert_allclose(found.roughness, roughness, rtol=1e-4)
    assert found.histogram.sum(axis=1).tolist() == [48 * 12, 48 * 8]


def test_scores_are_those_of_numpy_s_masked_arrays(store: Path, scores: Path):
    """Persistence, by hand from the source's own numbers."""
    test = _truth(SPLITS.test)
    found = xr.open_dataset(scores)
    row = np.cos(np.deg2rad([25.0, 24.0, 23.0]))
    climatology = _truth(SPLITS.train).reshape(6, 24, 2, 3, 4).mean(axis=0)
    for lead in WINDOW.target_hours:
        init = np.arange(2, 48 - WINDOW.target_hours[-1])
        error = test[init] - test[init + lead]
        weights = np.broadcast_to(np.ones(3)[:, None], error.shape)
        at = {"model": "persistence", "lead_time": lead}
        plain = found["score"].sel(**at, weighting="plain")
        np.testing.assert_allclose(
            plain.sel(metric="rmse"), np.ma.sqrt((error**2).mean(axis=(0, 2, 3))), rtol=1e-5
        )
        np.testing.assert_allclose(plain.sel(metric="bias"), error.mean(axis=(0, 2, 3)), atol=1e-5)
        truth = test[init + lead]
        spread = ((truth - truth.mean(axis=(0, 2, 3))[:, None, None]) ** 2).sum(axis=(0, 2, 3))
        np.testing.assert_allclose(
            plain.sel(metric="r2"), 1 - (error**2).sum(axis=(0, 2, 3)) / spread, rtol=1e-4
        )
        then = climatology[(init + lead) % 24]
        f, o = test[init] - then, truth - then
        expected = (f * o).sum(axis=(0, 2, 3)) / np.ma.sqrt(
            (f**2).sum(axis=(0, 2, 3)) * (o**2).sum(axis=(0, 2, 3))
        )
        np.testing.assert_allclose(plain.sel(metric="acc"), expected, rtol=1e-4)
        weights = np.broadcast_to(row[:, None], error.shape)
        area = np.ma.average(np.abs(error), weights=weights, axis=(0, 2, 3))
        np.testing.assert_allclose(
            found["score"].sel(**at, weighting="area", metric="mae"), area, rtol=1e-4
        )
        psnr = -10 * np.ma.log10((error**2).mean(axis=(2, 3)) / (found["image_range"].values[1]
                                 - found["image_range"].values[0]) ** 2).mean(axis=0)  # fmt: skip
        quality = found["image_quality"].sel(**at, image_metric="psnr")
        np.testing.assert_allclose(quality, psnr, rtol=1e-4)
    power = found["power"].sel(model="persistence")
    assert np.isnan(power.sel(channel="sst")).all() and np.isfinite(power.sel(channel="t2m")).all()


@settings(
    max_examples=2, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=st.one_of(st.just(float("nan")), st.floats(width=32)))
def test_what_is_stored_under_the_mask_changes_no_score_loss_gradient_or_statistic(
    store: Path, checkpoint: Path, scores: Path, tmp_path: Path, value: float
):
    spoilt = _spoilt(store, tmp_path / "spoilt", value)
    nothing_kept = replace(SCORING, save_forecasts=False)
    again = _evaluate(spoilt, checkpoint, tmp_path / "out", scoring=nothing_kept)
    assert (again.parent / "scores.json").read_text() == (scores.parent / "scores.json").read_text()
    found = []
    for path in (store, spoilt):
        data = TrainingSet.open(path)
        assert data.valid is not None
        network = load_checkpoint(checkpoint).network
        objective = TwoStage()
        objective.prepare(network)
        objective.set_valid_points(data.valid.tensor)
        batch = data.windows("train", WINDOW).batch(np.arange(4))
        loss = objective(network, batch["inputs"], batch["targets"], batch["init_time"])["loss"]
        loss.backward()
        ridge = fitted_ridge(data, window=WINDOW)
        drift = DriftSample.of(
            data, np.arange(48),
            {name: getattr(data, name) for name in ("mean", "std", "minimum", "maximum")},
        )  # fmt: skip
        found.append([
            loss.detach(), *(w.grad for w in network.parameters() if w.grad is not None),
            ridge.forecast.weights, torch.from_numpy(ridge.residual),
            torch.from_numpy(drift.std), torch.tensor(split_normalizer(data, "test").mean),
        ])  # fmt: skip
    for one, other in zip(*found, strict=True):
        assert torch.equal(one, other)


def test_another_normalization_fills_anew(store: Path):
    data = TrainingSet.open(store)
    other = with_normalizer(data, Normalizer(data.channels, (280.0, 280.0), (1.0, 2.0)))
    batch = other.windows("test", WINDOW).batch(np.array([0]))
    assert (batch["inputs"][:, :, 1, torch.from_numpy(LAND)] == 0).all()
    means = np.asarray(other.climatology.values[np.zeros(1, int), np.zeros(1, int)])
    assert (means[:, 1, LAND] == 0).all() and (means[:, 1, ~LAND] != 0).all()


def test_forecasts_and_worked_windows_are_blank_where_there_is_no_value(
    store: Path, checkpoint: Path, scores: Path, tmp_path: Path
):
    with xr.open_zarr(scores.parent / "forecasts" / "m.zarr") as kept:
        np.testing.assert_array_equal(np.isnan(kept[SST].values[3, 1]), LAND)
        assert not np.isnan(kept["2m_temperature"].values).any()
    examples = xr.open_dataset(
        write_examples(
            store, window=WINDOW, split="test", checkpoints={"m": checkpoint}, out=tmp_path
        )
    )
    fields = [examples[name].sel(channel="sst") for name in ("targets", "predictions")]
    for field in (*fields, examples["inputs"].sel(input_channel="sst")):
        missing = np.isnan(field.values)
        assert (missing == LAND).all()
    analysis = xr.open_dataset(
        analyze(
            store, window=WINDOW, split="test", checkpoints={"m": checkpoint}, out=tmp_path,
            num_samples=4,
        )
    )  # fmt: skip
    centre = analysis["value_density"].sel(channel="sst").values[40]
    assert centre < 1.0  # a third of the points at 0 would be 2.7


def test_a_network_of_another_mask_does_not_fit(store: Path, checkpoint: Path):
    data = TrainingSet.open(store)
    loaded = load_checkpoint(checkpoint)
    assert misfit(loaded, data=data, window=WINDOW) is None
    for other, points in ((None, 12), (ValidPoints(np.stack([~LAND, ~LAND])), 8)):
        problem = misfit(replace(loaded, valid=other), data=data, window=WINDOW)
        assert problem is not None and f"to have a value at {points} of 12 points" in problem


def test_the_mask_is_seen_as_a_channel_where_the_settings_ask_for_it(
    archive: ArchiveState, store: Path, tmp_path: Path
):
    tau = {
        "_target_": "met2net.models.baselines.metaformer.TAU", "_partial_": True, "num_inputs": 3,
        "num_targets": 2, "spatial_dim": 4, "latent_dim": 8, "num_blocks": 2,
    }  # fmt: skip
    known = {
        "_target_": "met2net.models.known_inputs.KnownInputs", "variables": SETTINGS.variables,
        "fields": ["valid_mask"], "input_hours": [-2, -1, 0], "target_hours": [1, 2],
        "latitude": [0.0], "longitude": [0.0], "forecaster": tau,
    }  # fmt: skip
    network = build(network_on_grid(known, store, window=WINDOW))
    data = TrainingSet.open(store)
    set_references(network, data, window=WINDOW, ridge=_no_ridge)
    batch = data.windows("test", WINDOW).batch(np.array([0]))
    seen = network.encoded(batch["inputs"], batch["init_time"])
    assert seen.shape[2] == 4  # t2m, its mask, sst, its mask: the points of sst both times
    for place in (1, 3):
        np.testing.assert_array_equal(seen[0, 1, place].numpy(), ~LAND)
    dry = build_training_set(
        archive, TrainingSetSettings({"t2m": ("t2m",)}, SPLITS), folder=tmp_path
    )
    with pytest.raises(DataError, match="have valid_mask, but every point .* has a value"):
        network_on_grid(known, dry, window=WINDOW)
    with pytest.raises(ValueError, match="lack a value somewhere: none; expected sst"):
        set_references(network, TrainingSet.open(dry), window=WINDOW, ridge=_no_ridge)


_no_ridge: Callable[..., None] = lambda: None  # noqa: E731
