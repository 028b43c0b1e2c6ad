import pytest
import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from met2net.training.module import ForecastModule
from met2net.training.objective import EndToEnd, TwoStage
from met2net.training.settings import OptimizationSettings
from tests.met2net.models.model_builders import (
    is_same,
    make_batch,
    make_met2net,
    make_reference_frame,
    snapshot,
)

pytestmark = [
    # The loaders here are lists in memory; workers would only cost time.
    pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers"),
    # Lightning 2.6's collectives ask torch 2.13 about trees in a way that it deprecates.
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
    class Watched(ForecastModule):
        def optimizer_step(self, epoch, batch_idx, optimizer, optimizer_closure=None):
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
            grads = [w.grad for w in self.network.parameters()]
            self.norm = torch.stack([g.norm() for g in grads]).norm().item()

    module = Watched(make_met2net(), EndToEnd(), make_settings(gradient_clip=1e-3))
    make_trainer(max_steps=1).fit(module, make_loader(), make_loader())
    assert module.norm == pytest.approx(1e-3, rel=1e-2)


def test_a_second_limit_in_the_trainer_is_refused():
    module = ForecastModule(make_met2net(), EndToEnd(), make_settings())
    with pytest.raises(ValueError, match="gradient_clip_val is 0.5; expected none"):
        make_trainer(gradient_clip_val=0.5).fit(module, make_loader(), make_loader())


def test_a_saved_state_of_training_finds_the_copies():
    module = ForecastModule(make_met2net(), TwoStage(autoencoder_momentum=0.9), make_settings())
    other = ForecastModule(
        make_met2net(seed=1), TwoStage(autoencoder_momentum=0.9), make_settings()
    )
    other.load_state_dict(module.state_dict())
    assert is_same(snapshot(other), snapshot(module))
