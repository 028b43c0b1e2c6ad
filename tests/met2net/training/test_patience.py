import pytest
import torch
from lightning import Trainer
from torch.utils.data import DataLoader

from met2net.training.best_weights import BestWeights
from met2net.training.conventional import ReconstructThenPredict
from met2net.training.module import ForecastModule
from met2net.training.objective import EndToEnd
from met2net.training.patience import ForecastPatience
from met2net.training.settings import OptimizationSettings
from tests.met2net.models.model_builders import make_batch, make_met2net


class EverWorse(ForecastModule):
    """Its forecasts get worse from epoch to epoch."""

    def on_validation_epoch_end(self):
        self.log("val_mse", torch.tensor(float(self.current_epoch)))


def fit(module_class, objective, settings, callbacks):
    """Train a small network, one step an epoch."""
    module = module_class(make_met2net(), objective, settings)
    trainer = Trainer(
        accelerator="cpu", max_epochs=settings.max_epochs, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        callbacks=callbacks,
    )  # fmt: skip
    inputs, targets = make_batch()
    windows = [{"inputs": x, "targets": y} for x, y in zip(inputs, targets, strict=True)]
    loader = DataLoader(windows, batch_size=2)
    trainer.fit(module, loader, loader)
    return trainer, module


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:The number of training batches")
@pytest.mark.parametrize(
    ("objective", "epochs"),
    # The first epoch that counts is the best; the patience of two more is then over.
    [(EndToEnd(), 3), (ReconstructThenPredict(reconstruction_steps=4), 4 - 1 + 3)],
)
def test_patience_counts_from_the_first_epoch_that_learns_to_forecast(objective, epochs):
    settings = OptimizationSettings(
        learning_rate=1e-3, schedule="constant", max_epochs=12, batch_size=2
    )
    trainer, _ = fit(EverWorse, objective, settings, [ForecastPatience(2)])
    assert trainer.current_epoch == epochs


class Exploding(ForecastModule):
    """Its second epoch has no validation error that is a number."""

    def on_validation_epoch_end(self):
        self.log("val_mse", torch.tensor([1.0, torch.nan, 0.5][self.current_epoch]))


@pytest.mark.filterwarnings("ignore:The '.*_dataloader' does not have many workers")
@pytest.mark.filterwarnings("ignore:The number of training batches")
def test_an_error_that_is_no_number_ends_the_training_and_the_best_weights_are_of_before():
    settings = OptimizationSettings(
        learning_rate=1e-3, schedule="constant", max_epochs=3, batch_size=2
    )
    best = BestWeights()
    trainer, module = fit(Exploding, EndToEnd(), settings, [best, ForecastPatience(2)])
    assert trainer.current_epoch == 2
    after = {name: x.clone() for name, x in module.network.state_dict().items()}
    best.restore(module.network)
    assert any(not torch.equal(x, after[name]) for name, x in module.network.state_dict().items())
