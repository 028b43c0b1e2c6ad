"""Mistakes that the settings show are refused before anything is fetched or trained."""

import pytest
import torch

from flows.profile_training import profile_training
from flows.settings.config import load_experiment
from flows.settings.config_error import ConfigError
from flows.settings.early_checks import check_early, check_machine
from met2net.models.build import build
from pipelines.errors import DataError


@pytest.mark.parametrize("experiment", ["demo", "mumbai", "pearl_river", "mvmmfnist", "table6"])
def test_an_experiment_as_it_is_passes(experiment: str) -> None:
    check_early(load_experiment([f"experiment={experiment}"]))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.splits.train.end=2001-01-01"], "found no window in split 'train'"),
        (["data.splits.validation.end=2001-04-10"], "found no window in split 'validation'"),
        (["data.splits.test.start=2001-04-30"], "found no window in split 'test' .*data.splits.t"),
        (["data.splits.test.start=2001-04-29T03"], "found 3 windows in split 'test'; expected at"),
        (["data.splits.test.end=2001-05-02"], "data.splits.test is .*expected hours of data.perio"),
        (["data.period.start=2001-01-02"], "data.splits.train is .*expected hours of data.period"),
        (["evaluation.num_examples=1000"], "num_examples is 1000; expected at most 246, the windo"),
        (["mirrored_hemispheres=true", "data.grid.box={north: 60, south: 20, west: 0, east: 90}"],
         "models.met2net: mirrored_hemispheres is true, and latitudes go from 60 to 20.*expected"),
        (["evaluation.scoring.land_sea_mask=no.nc"], "land_sea_mask is 'no.nc'; found no such f"),
        (["evaluation.scoring.regions={a: {south: 1, north: 2, west: 1, east: 2}}"],
         "evaluation.scoring.regions: region a has no point of the grid"),
        (["evaluation.scoring.regions={a: {south: 9, north: 2, west: 1, east: 2}}"],
         "region a goes from 9.0 to 2.0 degrees north"),
        (["experiment=mvmmfnist", "data.window.num_targets=11"], "no window in split 'train'"),
    ],
)  # fmt: skip
def test_what_the_data_will_not_have_is_named(overrides: list[str], message: str) -> None:
    experiment = load_experiment(overrides)
    with pytest.raises(DataError, match=message) as caught:
        check_early(experiment)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("trainer", [["trainer=gpu"], ["trainer=ddp", "trainer.devices=3"]])
def test_gpus_that_are_not_there_are_not_waited_for(monkeypatch, trainer: list[str]) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    experiment = load_experiment(trainer)
    with pytest.raises(DataError, match="trainer.accelerator is 'gpu' .* found 0 GPUs"):
        check_machine(experiment)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    check_machine(experiment)


def test_one_target_frame_is_no_mistake_for_tau() -> None:
    experiment = load_experiment(["data.window.num_targets=1", "reference_frame=none"])
    check_early(experiment)
    model = experiment.models["tau"]
    frames = torch.randn(2, 5, len(experiment.channels), 32, 64)
    inputs, targets = frames.split([4, 1], dim=1)
    assert build(model.objective)(build(model.network), inputs, targets)["loss"].isfinite()


def test_nothing_is_profiled_in_no_batches() -> None:
    with pytest.raises(DataError, match="profile.num_batches is 0; expected at least 1"):
        profile_training.fn(["profile.num_batches=0"])


def test_static_fields_are_asked_of_sources_that_have_them() -> None:
    wanted = ["known_inputs=[orography,land_sea_mask]", "models.tau.known_inputs=[latitude]"]
    assert load_experiment(wanted).static_fields == ("orography", "land_sea_mask")
    assert load_experiment(wanted[1:]).static_fields == ()
    with pytest.raises(
        ConfigError, match="have orography, and source .* has no static fields; exp"
    ):
        load_experiment(
            ["experiment=mvmmfnist", "source=generated_images", "known_inputs=[orography]"]
        )
