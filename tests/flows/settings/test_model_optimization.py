"""Every model optimizes as its experiment says, or else as published, key by key."""

from dataclasses import fields

import pytest

from flows.settings.compose import CONFIGS, compose
from flows.settings.config import load_experiment
from met2net.training.settings import OptimizationSettings

PUBLISHED = {
    "convlstm": 5e-4, "convnext": 1e-2, "hornet": 1e-3, "mau": 1e-4, "met2net": 1e-3,
    "moganet": 5e-3, "poolformer": 5e-4, "predrnn": 5e-4, "predrnnpp": 5e-4, "simvp": 1e-2,
    "simvpv2": 5e-3, "tau": 5e-3, "tau_single": 5e-3, "wast": 1e-3,
}  # fmt: skip


def test_every_setting_can_be_set_for_all_models_and_for_one() -> None:
    expected = {field.name for field in fields(OptimizationSettings)}
    composed = compose([])
    assert set(composed.training) == expected
    assert set(composed.models.tau.optimization) == expected | {"_target_"}


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_model_takes_its_published_learning_rate_where_the_experiment_has_none(name: str) -> None:
    model = f"+model@models.one={name}"
    published = load_experiment([model, "training.learning_rate=null", "reference_frame=none"])
    assert published.models["one"].optimization.learning_rate == PUBLISHED[name]


def test_every_published_learning_rate_is_tested() -> None:
    assert set(PUBLISHED) <= {path.stem for path in (CONFIGS / "model").glob("*.yaml")}


@pytest.mark.parametrize(
    ("experiment", "rate"), [("demo", 6e-3), ("mumbai", 2e-3), ("pearl_river", 5e-4)]
)
def test_an_experiment_s_learning_rate_holds_for_all_its_models(
    experiment: str, rate: float
) -> None:
    models = load_experiment([f"experiment={experiment}"]).models
    assert {model.optimization.learning_rate for model in models.values()} == {rate}


def test_one_model_s_key_changes_alone() -> None:
    models = load_experiment(
        ["training.max_epochs=3", "models.tau.optimization.learning_rate=0.5"]
    ).models
    assert models["tau"].optimization.learning_rate == 0.5
    assert models["met2net"].optimization.learning_rate == 6e-3
    assert {model.optimization.max_epochs for model in models.values()} == {3}


def test_every_trainer_setting_reaches_the_job() -> None:
    overrides = [
        "trainer=ddp", "trainer.devices=8", "trainer.num_nodes=2", "trainer.rendezvous=a:1",
        "trainer.compile=true", "trainer.recompute_activations=true",
        "trainer.deterministic=true", "trainer.checkpoint_minutes=null",
    ]  # fmt: skip
    trainer = load_experiment(overrides).trainer
    assert (trainer.accelerator, trainer.devices, trainer.num_nodes) == ("gpu", 8, 2)
    assert trainer.num_processes == 16
    assert trainer.compile and trainer.recompute_activations and trainer.deterministic
    assert trainer.checkpoint_minutes is None
