"""At the published scale every network is trained by the published schedule."""

import math
from collections.abc import Mapping
from typing import Any

import pytest

from flows.settings.compose import resolve
from flows.settings.config import load_experiment
from met2net.training.schedule import learning_rate_factor
from met2net.training.settings import OptimizationSettings
from tests.flows.studies.test_studies import STUDIES

OWN = (
    "demo", "mumbai", "mumbai_monthly", "pearl_river", "results_mumbai",
    "results_year",
)  # fmt: skip
FILES = {
    "source=weatherbench": ["source.folder=/data"],
    "source=taxibj": ["source.file=/taxi.npz"],
}
SAME_FOR_ALL = {"schedule": "cosine", "warmup_fraction": 0.0, "final_learning_rate": 1e-6}
TAXI = SAME_FOR_ALL | {"warmup_fraction": 0.1}  # 5 of 50 epochs


def optimizations(*overrides: str) -> Mapping[str, Mapping[str, Any]]:
    models = resolve(overrides)["models"]
    return {name: model["optimization"] for name, model in models.items()}


def rates(*overrides: str) -> dict[str, float]:
    return {name: one["learning_rate"] for name, one in optimizations(*overrides).items()}


def rate_at(settings: OptimizationSettings, epoch: float, *, steps_an_epoch: int) -> float:
    total = settings.max_epochs * steps_an_epoch
    factor = learning_rate_factor(
        min(round(epoch * steps_an_epoch), total - 1), schedule=settings.schedule,
        total_steps=total, warmup_fraction=settings.warmup_fraction,
        final_factor=settings.final_learning_rate / settings.learning_rate,
    )  # fmt: skip
    return settings.learning_rate * factor


@pytest.mark.parametrize("name", [*STUDIES, "weather", "era5_cropped", "mvmmfnist", "taxibj"])
def test_every_network_of_a_published_experiment_follows_the_published_schedule(name: str) -> None:
    expected = TAXI if name in ("table7", "taxibj") else SAME_FOR_ALL
    for model, found in optimizations(f"experiment={name}").items():
        assert {key: found[key] for key in expected} == expected, model
        share = 0.4 if model.startswith("wast") else 1.0
        assert found["drop_path_fraction"] == share, model


def test_rates_of_weather_by_hand() -> None:
    """50 epochs of 3,286 steps from 1e-3 to 1e-6, along half a cosine, without a warm-up."""
    experiment = load_experiment(
        ["experiment=table1", "source=weatherbench", *FILES["source=weatherbench"]]
    )
    settings = experiment.models["met2net"].optimization
    for epoch, expected in ((0, 1e-3), (10, 9.0460e-4), (25, 5.005e-4), (40, 9.640e-5), (50, 1e-6)):
        found = rate_at(settings, epoch, steps_an_epoch=3286)
        assert found == pytest.approx(expected, rel=1e-3), epoch
    # By the formula: 1e-6 + (1e-3 - 1e-6) (1 + cos(pi / 5)) / 2.
    assert 1e-6 + 9.99e-4 * (1 + math.cos(math.pi / 5)) / 2 == pytest.approx(9.0460e-4, rel=1e-4)


def test_rates_of_taxis_by_hand() -> None:
    experiment = load_experiment(["experiment=table7", "source=taxibj", *FILES["source=taxibj"]])
    settings = experiment.models["met2net"].optimization
    # Up to 5e-3 in 5 epochs, then down in 45.
    for epoch, expected in ((2.5, 2.5e-3), (5, 5e-3), (27.5, 2.5005e-3), (50, 1e-6)):
        found = rate_at(settings, epoch, steps_an_epoch=1144)
        assert found == pytest.approx(expected, rel=1e-3), epoch


@pytest.mark.parametrize("name", ["table5", "table11", "fig6", "era5_cropped"])
def test_on_era5_met2net_has_its_rate_and_every_baseline_the_one_of_the_release(name: str) -> None:
    found = rates(f"experiment={name}")
    assert found.pop("met2net") == 5e-4
    assert found and set(found.values()) == {1e-3}


def test_published_rates_of_taxis_are_those_of_that_data_set() -> None:
    found = rates("experiment=table7")
    assert {name: found[name] for name in ("met2net", "predrnn", "predrnnpp", "mau", "tau")} == {
        "met2net": 5e-3, "predrnn": 1e-4, "predrnnpp": 1e-4, "mau": 1e-3, "tau": 1e-3,
    }  # fmt: skip


def test_eight_variables_change_the_rate_of_met2net_alone() -> None:
    eight = resolve(["experiment=table12"])["study"]["parts"]["eight"]["overrides"]
    found = rates("experiment=table12", *eight)
    assert (found["met2net"], found["tau"], found["tau_single"]) == (5e-4, 5e-3, 5e-3)


@pytest.mark.parametrize("name", ["table5", "table7", "fig6", "era5_cropped", "taxibj"])
def test_one_rate_for_all_can_still_be_asked_for(name: str) -> None:
    assert set(rates(f"experiment={name}", "training.learning_rate=2e-3").values()) == {2e-3}


@pytest.mark.parametrize(
    "overrides",
    [
        *([f"experiment={name}"] for name in OWN),
        *(["experiment=table1", f"scale={scale}"] for scale in ("small", "smoke")),
    ],
)
def test_small_budgets_keep_their_own_recipe(overrides: list[str]) -> None:
    for model, found in optimizations(*overrides).items():
        schedule = (found["schedule"], found["warmup_fraction"], found["final_learning_rate"])
        assert schedule in (("one_cycle", 0.3, 0.0), ("cosine", 0.1, 0.0)), model
