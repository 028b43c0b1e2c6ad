import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from met2net.checkpoint import load_checkpoint, save_checkpoint
from met2net.data.normalization import Normalizer
from met2net.data.training_set import TrainingSet
from pipelines.errors import DataError
from pipelines.training.initial_weights import InitialWeights
from pipelines.training.job import TrainingJob, read_job, write_job
from pipelines.training.process import run_training
from pipelines.training.train import CHECKPOINT
from pipelines.training.warm_start import is_same_network, load_initial
from tests.pipelines.small_project import make_training_set
from tests.pipelines.training.training_jobs import make_job

# Lightning's own advice on loaders and checkpoint folders; the training process filters it too.
pytestmark = [
    pytest.mark.filterwarnings("ignore:.*does not have many workers"),
    pytest.mark.filterwarnings("ignore:.*exists and is not empty"),
]


@pytest.fixture(scope="module")
def training_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_training_set(tmp_path_factory.mktemp("set"))


@pytest.fixture(scope="module")
def trained(training_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of one step, its normalization other than the training set's own."""
    folder = tmp_path_factory.mktemp("trained")
    path = run_training(make_short_job(training_set), folder)
    checkpoint = load_checkpoint(path)
    old = checkpoint.normalizer
    shifted = Normalizer(old.channels, tuple(m + 1 for m in old.mean), old.std)
    save_checkpoint(folder / "shifted.safetensors", replace(checkpoint, normalizer=shifted))
    return folder / "shifted.safetensors"


def make_short_job(training_set: Path, **changes: object) -> TrainingJob:
    job = make_job(training_set, max_epochs=1, batches_per_epoch=1)
    return replace(job, **changes)


def test_a_training_from_weights_goes_on_from_them_in_their_normalization(
    training_set: Path, trained: Path, tmp_path: Path
):
    tiny = make_job(training_set, max_epochs=1, batches_per_epoch=1, learning_rate=1e-12)
    job = replace(tiny, initial_weights=InitialWeights.of(trained))
    after = load_checkpoint(run_training(job, tmp_path / "warm"))
    before = load_checkpoint(trained)
    assert after.normalizer == before.normalizer
    assert after.normalizer != TrainingSet.open(training_set).normalizer
    for name, tensor in after.network.state_dict().items():
        if tensor.is_floating_point() and "running" not in name:
            torch.testing.assert_close(tensor, before.network.state_dict()[name], atol=1e-6, rtol=0)


def test_other_weights_are_another_job_and_none_is_the_job_of_before(
    training_set: Path, trained: Path, tmp_path: Path
):
    job = make_short_job(training_set)
    warm = replace(job, initial_weights=InitialWeights.of(trained))
    assert warm.fingerprint != job.fingerprint
    shutil.copy(trained, tmp_path / "elsewhere.safetensors")
    moved = replace(job, initial_weights=InitialWeights.of(tmp_path / "elsewhere.safetensors"))
    assert moved.fingerprint == warm.fingerprint
    write_job(warm, tmp_path / "job.json")
    assert read_job(tmp_path / "job.json") == warm
    assert load_initial(job, TrainingSet.open(training_set)) is None


def test_weights_that_do_not_fit_are_refused(training_set: Path, trained: Path, tmp_path: Path):
    data = TrainingSet.open(training_set)
    job = make_short_job(training_set, initial_weights=InitialWeights.of(trained))
    network = dict(job.network) | {"forecaster": {**job.network["forecaster"], "num_blocks": 1}}
    assert not is_same_network(load_checkpoint(trained), network)
    with pytest.raises(DataError, match="other networks are trained from scratch"):
        load_initial(replace(job, network=network), data)
    with pytest.raises(DataError, match="expected 000000.*the weights that the training was"):
        load_initial(replace(job, initial_weights=InitialWeights(str(trained), "0" * 64)), data)
    with pytest.raises(DataError, match="found no file .*; expected a checkpoint to start from"):
        InitialWeights.of(tmp_path / CHECKPOINT)
    other = replace(data, grid=replace(data.grid, latitude=(30.0, 29.0, 28.0)))
    with pytest.raises(DataError, match="found grid"):
        load_initial(job, other)


def test_the_scale_of_differences_is_the_checkpoint_s(training_set: Path, trained: Path):
    scale = load_checkpoint(trained).network.scale
    assert np.isfinite(scale.numpy()).all()


def test_a_network_of_an_older_format_is_another_one_than_the_same_settings_build_now(
    training_set: Path, trained: Path
):
    """So a monthly challenger does not go on from its weights, which hold for another formula."""
    job = make_short_job(training_set)
    now = load_checkpoint(trained)
    assert is_same_network(now, job.network)
    inner = {**now.settings["forecaster"], "space_time_identities": 1}  # as formats 1 and 2 load
    assert not is_same_network(replace(now, settings={**now.settings, "forecaster": inner}),
                               job.network)  # fmt: skip
