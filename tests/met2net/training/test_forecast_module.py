import math
import warnings
import weakref

import pytest
import torch
from lightning import Trainer
from lightning.pytorch.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader

from met2net.models.blocks.drop_path import DropPath
from met2net.training.conventional import ReconstructThenPredict
from met2net.training.module import ForecastModule
from met2net.training.objective import EndToEnd
from met2net.training.settings import OptimizationSettings
from met2net.training.two_stage import TwoStage
from tests.met2net.models.model_builders import (
    is_same,
    make_batch,
    make_met2net,
    make_reference_frame,
    snapshot,
)
from tests.met2net.training.data_parallel_run import freeze_statistics

pytestmark = [
    # The loaders here are lists in memory; workers would only cost time.
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    # Lightning 2.6's collectives ask torch 2.13 about trees in a way that it deprecates.
    # Some trainings here have nothing to validate.
    pytest.mark.filterwarnings("ignore:You defined a `validation_step` but have no"),
    pytest.mark.filterwarnings("ignore:.isinstance.treespec, LeafSpec.. is deprecated"),
]


def make_loader(*, samples: int = 5, batch_size: int = 2) -> DataLoader:
    inputs, targets = make_batch(batch=samples)
    windows = [
        {"inputs": x, "targets": y, "init_time": torch.tensor(i)}
        for i, (x, y) in enumerate(zip(inputs, targets, strict=True))
    ]
    return DataLoader(windows, batch_size=batch_size)


def make_settings(**changes) -> OptimizationSettings:
    settings = {"learning_rate": 1e-2, "schedule": "one_cycle", "max_epochs": 2, "batch_size": 2}
    return OptimizationSettings(**settings | changes)


def make_trainer(**changes) -> Trainer:
    return Trainer(
        accelerator="cpu",
        max_epochs=2,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **changes,
    )


def test_validation_scores_are_those_of_inference_over_all_samples():
    network = make_met2net()
    module = ForecastModule(network, EndToEnd(), make_settings())
    loader = make_loader()  # batches of 2, 2 and 1: a mean of batch means would differ
    before = snapshot(module)
    trainer = make_trainer()
    trainer.validate(module, loader, verbose=False)
    inputs, targets = make_batch(batch=5)
    expected = (network.eval()(inputs) - targets).square().mean().item()
    assert trainer.callback_metrics["val_mse"].item() == pytest.approx(expected, rel=1e-5)
    assert trainer.callback_metrics["val_rmse"].item() == pytest.approx(expected**0.5, rel=1e-5)
    assert is_same(before, snapshot(module))


@pytest.mark.parametrize("make_network", [make_met2net, make_reference_frame])
def test_training_moves_weights_and_their_copies_and_logs_losses(make_network):
    network = make_network()
    module = ForecastModule(network, TwoStage(translator_momentum=0.5), make_settings())
    before = snapshot(module)
    trainer = make_trainer()
    trainer.fit(module, make_loader(), make_loader())
    after = snapshot(module)
    still = [k for k in before if torch.equal(before[k], after[k]) and k != "network.scale"]
    assert still == []
    logged = trainer.callback_metrics
    assert {"train_loss", "train_prediction_loss", "train_latent_loss", "val_mse"} <= set(logged)
    torch.testing.assert_close(
        logged["train_loss"], logged["train_prediction_loss"] + logged["train_latent_loss"]
    )


def test_copies_move_after_the_optimizer_step():
    module = ForecastModule(make_met2net(), TwoStage(translator_momentum=0.0), make_settings())
    trainer = make_trainer(max_steps=3)
    trainer.fit(module, make_loader(), make_loader())
    # With momentum 0 the copy equals the online translator *after* its last step.
    assert is_same(
        snapshot(module.network.translator), snapshot(module.objective.momentum_translator)
    )


def test_the_learning_rate_moves_every_step_to_the_end_of_its_schedule():
    module = ForecastModule(make_met2net(), EndToEnd(), make_settings(schedule="cosine"))
    trainer = make_trainer()
    trainer.fit(module, make_loader(), make_loader())
    assert trainer.global_step == 6
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0.0


def test_only_online_weights_are_optimized():
    module = ForecastModule(make_met2net(), TwoStage(), make_settings())
    trainer = make_trainer()
    trainer.fit(module, make_loader(), make_loader())
    optimized = {id(w) for group in trainer.optimizers[0].param_groups for w in group["params"]}
    assert optimized == {id(weight) for weight in module.network.parameters()}


def test_gradients_are_clipped_as_the_settings_say():
    norms = []

    class Watched(ForecastModule):
        def on_before_optimizer_step(self, optimizer):
            for _ in range(2):
                gradients = [w.grad.norm() for w in self.network.parameters()]
                norms.append(torch.stack(gradients).norm().item())
                super().on_before_optimizer_step(optimizer)

    module = Watched(make_met2net(), EndToEnd(), make_settings(gradient_clip=1e-3))
    make_trainer(max_steps=1).fit(module, make_loader(), make_loader())
    before, after = norms
    assert before > 1e-2
    assert after == pytest.approx(1e-3, rel=1e-2)


def test_a_second_limit_in_the_trainer_is_refused():
    module = ForecastModule(make_met2net(), EndToEnd(), make_settings())
    with pytest.raises(MisconfigurationException, match="gradient_clip_val=0.5"):
        make_trainer(gradient_clip_val=0.5).fit(module, make_loader(), make_loader())


class Watching(ForecastModule):
    """Notes the learning rate of every step."""

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        self.rates = [*getattr(self, "rates", []), optimizer.param_groups[0]["lr"]]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # 5 windows in batches of 2: 3 batches an epoch, 6 steps in all.
        (
            {"schedule": "cosine", "warmup_fraction": 1 / 3},
            [1 / 2, 1, 1, (1 + math.cos(math.pi / 3)) / 2, (1 + math.cos(2 * math.pi / 3)) / 2, 0],
        ),
        (
            {"schedule": "one_cycle", "warmup_fraction": 1 / 3},
            [1 / 25, (1 + 1 / 25) / 2, 1, 4e-6 + (1 - 4e-6) * 3 / 4, 4e-6 + (1 - 4e-6) / 4, 4e-6],
        ),
        # Steps of 2 and 1 batches: 4 steps in all.
        (
            {"schedule": "cosine", "warmup_fraction": 0.25, "accumulate_batches": 2},
            [1, 1, 1 / 2, 0],
        ),
    ],
)
def test_every_step_takes_the_scheduled_learning_rate(changes, expected):
    module = Watching(make_met2net(), EndToEnd(), make_settings(**changes))
    trainer = make_trainer()
    trainer.fit(module, make_loader(), make_loader())
    assert trainer.global_step == len(expected)
    assert module.rates == pytest.approx([1e-2 * factor for factor in expected], abs=1e-12)


def test_each_stage_of_the_conventional_scheme_has_a_whole_schedule():
    objective = ReconstructThenPredict(reconstruction_share=0.5)
    module = Watching(make_met2net(), objective, make_settings(warmup_fraction=1 / 3))
    make_trainer().fit(module, make_loader(), make_loader())
    # Three steps for the autoencoders, three for the translator: up, at the top, at the end.
    assert module.rates == pytest.approx(2 * [1e-2 / 25, 1e-2, 1e-2 * 4e-6])


def test_a_cosine_ends_at_the_final_learning_rate():
    settings = make_settings(schedule="cosine", warmup_fraction=0.0, final_learning_rate=1e-3)
    module = Watching(make_met2net(), EndToEnd(), settings)
    make_trainer().fit(module, make_loader(), make_loader())
    assert (module.rates[0], module.rates[-1]) == pytest.approx((1e-2, 1e-3))


def drop_path_rates(module) -> set[float]:
    return {part.rate for part in module.modules() if isinstance(part, DropPath)}


class NotingDropPath(ForecastModule):
    """Notes the rates in use at the end of every step, copies' included."""

    def on_before_optimizer_step(self, optimizer):
        super().on_before_optimizer_step(optimizer)
        self.seen = [*getattr(self, "seen", []), drop_path_rates(self)]


def test_drop_path_ends_after_its_share_of_the_epochs():
    # Two epochs of three steps.
    for fraction, expected in ((None, 6 * [{0.1}]), (0.5, 3 * [{0.1}] + 3 * [{0.0}])):
        settings = make_settings(drop_path_fraction=fraction)
        module = NotingDropPath(make_met2net(drop_path=0.1), TwoStage(), settings)
        make_trainer().fit(module, make_loader(), make_loader())
        assert module.seen == expected


class InStages(EndToEnd):
    """The sum of two losses, the second built after the first one's graph is gone."""

    def __init__(self):
        super().__init__()
        self.notes = []

    def set_total_steps(self, total_steps):
        self.notes.append(f"{total_steps} steps")

    def stages(self, network, inputs, targets, init_time=None):
        for number in (1, 2):
            forecast = network(inputs)
            graph = weakref.ref(forecast)
            loss = number * (forecast - targets).square().mean()
            del forecast
            yield {"loss": loss, f"part_{number}": loss / number}
            del loss
            self.notes.append(f"graph {number} {'gone' if graph() is None else 'there'}")


def test_stages_of_an_objective_go_backward_one_after_the_other():
    objective = InStages()
    staged = ForecastModule(make_met2net(drop_path=0.0), objective, make_settings())
    trainer = make_trainer(max_steps=1)
    trainer.fit(staged, make_loader(samples=2))
    assert objective.notes == ["1 steps", "graph 1 gone", "graph 2 gone"]
    logged = {k: v.item() for k, v in trainer.callback_metrics.items()}
    assert logged["train_loss"] == pytest.approx(
        logged["train_part_1"] + 2 * logged["train_part_2"], rel=1e-6
    )

    network = make_met2net(drop_path=0.0).train()
    inputs, targets = make_batch(batch=2)
    (3 * (network(inputs) - targets).square().mean()).backward()
    for weight, expected in zip(staged.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, expected.grad, rtol=1e-4, atol=1e-6)


def test_the_last_accumulated_batches_of_an_epoch_count_by_their_samples():
    module = ForecastModule(
        make_met2net(drop_path=0.0), EndToEnd(), make_settings(accumulate_batches=2)
    )
    # Batch statistics would make the gradient of 3 samples another than that of 2 and 1.
    freeze_statistics(module)
    gradient = snapshot_of_gradient(module, samples=3)
    expected = make_met2net(drop_path=0.0).eval()
    inputs, targets = make_batch(batch=3)
    (expected(inputs) - targets).square().mean().backward()
    torch.testing.assert_close(
        gradient, torch.cat([w.grad.flatten() for w in expected.parameters()]),
        rtol=1e-4, atol=1e-6,
    )  # fmt: skip


def snapshot_of_gradient(module, *, samples):
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found .* in eval mode at the start")
        make_trainer(max_steps=1).fit(module, make_loader(samples=samples))
    return torch.cat([w.grad.flatten() for w in module.network.parameters()])


def test_logged_training_losses_are_means_over_samples():
    module = ForecastModule(
        make_met2net(drop_path=0.0), EndToEnd(), make_settings(learning_rate=1e-12)
    )
    freeze_statistics(module)
    trainer = make_trainer(max_steps=3)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Found .* in eval mode at the start")
        trainer.fit(module, make_loader())  # batches of 2, 2 and 1
    inputs, targets = make_batch(batch=5)
    network = make_met2net(drop_path=0.0).eval()
    expected = (network(inputs) - targets).square().mean().item()
    assert trainer.callback_metrics["train_loss"].item() == pytest.approx(expected, rel=1e-6)


def test_a_saved_state_of_training_finds_the_copies():
    module = ForecastModule(make_met2net(), TwoStage(autoencoder_momentum=0.9), make_settings())
    other = ForecastModule(
        make_met2net(seed=1), TwoStage(autoencoder_momentum=0.9), make_settings()
    )
    other.load_state_dict(module.state_dict())
    assert is_same(snapshot(other), snapshot(module))
