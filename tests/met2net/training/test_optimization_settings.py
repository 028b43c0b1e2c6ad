import math

import pytest

from met2net.training.schedule import cycles_factor, learning_rate_factor, schedule_of
from met2net.training.settings import OptimizationSettings

RIGHT = {"learning_rate": 1e-3, "schedule": "one_cycle", "max_epochs": 2, "batch_size": 4}


def factors(
    schedule: str, *, warmup_fraction: float, total_steps: int = 10, final_factor: float = 0.0
) -> list[float]:
    return [
        learning_rate_factor(
            step,
            schedule=schedule,
            total_steps=total_steps,
            warmup_fraction=warmup_fraction,
            final_factor=final_factor,
        )  # fmt: skip
        for step in range(total_steps)
    ]


def test_right_settings_are_kept():
    settings = OptimizationSettings(**RIGHT)
    assert settings.gradient_clip is None
    assert settings.precision == "32-true"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("learning_rate", 0.0, "a positive number"),
        ("max_epochs", 0, "at least 1"),
        ("batch_size", 0, "at least 1"),
        ("accumulate_batches", 0, "at least 1"),
        ("average_decay", 1.0, "0 < decay < 1 or none"),
        ("warmup_fraction", 1.0, "0 <= fraction < 1"),
        ("final_learning_rate", 2e-3, "0 to learning_rate"),
        ("final_learning_rate", -1e-6, "0 to learning_rate"),
        ("drop_path_fraction", 1.5, "0 to 1 or none"),
        ("weight_decay", -0.1, "at least 0"),
        ("gradient_clip", 0.0, "a positive number or none"),
        ("patience", 0, "at least 1 or none"),
        ("seed", -1, "0 to 4294967295"),
    ],
)
def test_wrong_settings_are_refused(name, value, expected):
    with pytest.raises(ValueError, match=f"{name} is {value}; expected {expected}"):
        OptimizationSettings(**RIGHT | {name: value})


def test_unknown_names_are_refused(monkeypatch):
    # Past the run-time check of annotations, which production does not have.
    settings = OptimizationSettings(**RIGHT)
    object.__setattr__(settings, "schedule", "step")
    with pytest.raises(ValueError, match="schedule is 'step'; expected one of one_cycle, cosine"):
        settings.__post_init__()
    object.__setattr__(settings, "schedule", "cosine")
    object.__setattr__(settings, "precision", "8")
    with pytest.raises(ValueError, match="precision is '8'; expected one of 32-true"):
        settings.__post_init__()


def test_one_cycle_by_hand():
    found = factors("one_cycle", warmup_fraction=0.4)
    assert found[0] == pytest.approx(1 / 25)
    assert found[2] == pytest.approx((1 / 25 + 1) / 2)
    assert found[4] == pytest.approx(1.0)
    assert found[9] == pytest.approx(4e-6)
    assert max(found) == found[4]


def test_cosine_by_hand():
    found = factors("cosine", warmup_fraction=0.2)
    assert found[:3] == pytest.approx([0.5, 1.0, 1.0])
    assert found[3] == pytest.approx((1 + math.cos(math.pi / 7)) / 2)
    assert found[9] == pytest.approx(0.0)


def test_cosine_ends_at_its_final_rate():
    found = factors("cosine", warmup_fraction=0.0, total_steps=5, final_factor=0.1)
    assert found == pytest.approx([1.0, 0.55 + 0.45 * 0.5**0.5, 0.55, 0.55 - 0.45 * 0.5**0.5, 0.1])


def test_schedules_of_stages_follow_one_another():
    schedule = schedule_of(OptimizationSettings(**RIGHT, warmup_fraction=0.5))
    found = [cycles_factor(step, cycles=(4, 6), schedule=schedule) for step in range(11)]
    first = factors("one_cycle", warmup_fraction=0.5, total_steps=4)
    second = factors("one_cycle", warmup_fraction=0.5, total_steps=6)
    assert found == [*first, *second, second[-1]]
    assert (found[4], found[7]) == pytest.approx((1 / 25, 1.0))  # it rises again from the border on


def test_constant_by_hand():
    assert factors("constant", warmup_fraction=0.2) == pytest.approx([0.5] + [1.0] * 9)
    assert factors("constant", warmup_fraction=0.0) == [1.0] * 10


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "constant"])
@pytest.mark.parametrize("total_steps", [1, 2, 3, 7])
@pytest.mark.parametrize("warmup_fraction", [0.0, 0.1, 0.5, 0.99])
def test_factors_lie_between_0_and_1(schedule, total_steps, warmup_fraction):
    found = factors(schedule, warmup_fraction=warmup_fraction, total_steps=total_steps)
    assert all(0 <= factor <= 1 for factor in found)


def test_optimizers_go_by_their_names_in_torch():
    import torch

    from met2net.training.optimizers import make_optimizer

    weight = torch.nn.Parameter(torch.zeros(1))
    given = {"learning_rate": 0.1, "schedule": "constant", "max_epochs": 1, "batch_size": 1}
    plain = make_optimizer(OptimizationSettings(**given), [weight])
    assert type(plain) is torch.optim.AdamW and plain.defaults["betas"] == (0.9, 0.999)
    changed = OptimizationSettings(
        **given, optimizer="NAdam", optimizer_arguments={"betas": [0.8, 0.9]}, weight_decay=0.2
    )
    other = make_optimizer(changed, [weight])
    assert type(other) is torch.optim.NAdam and other.defaults["betas"] == (0.8, 0.9)
    assert other.defaults["lr"] == 0.1 and other.defaults["weight_decay"] == 0.2
    for wrong, message in (
        ({"optimizer": "Optimizer"}, "optimizer is 'Optimizer'; expected a class of torch.optim"),
        ({"optimizer": "lr_scheduler"}, "expected a class of torch.optim, as AdamW, SGD"),
        ({"optimizer": "LBFGS"}, "'LBFGS', which has no learning rate or weight decay"),
        ({"optimizer_arguments": {"lr": 1.0}}, "has lr; expected learning_rate to say it"),
        ({"optimizer_arguments": {"beta": 1.0}}, "has beta, which AdamW does not take; expected"),
        ({"optimizer_arguments": {}, "optimizer": "Rprop"}, "expected one that has both"),
    ):
        with pytest.raises(ValueError, match=message):
            OptimizationSettings(**given, **wrong)
