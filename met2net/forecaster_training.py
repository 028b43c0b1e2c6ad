"""From a training set to a forecaster, in this process."""

import warnings
from collections.abc import Mapping
from typing import Any

import lightning as L
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment

from met2net.checkpoint import Checkpoint
from met2net.data.batches import BatchOrder, WindowBatches
from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowDataset, WindowSpec
from met2net.forecast import Forecaster
from met2net.forecasting.ridge import fit_ridge
from met2net.models.build import build
from met2net.models.met2net import Met2Net
from met2net.models.wrapper import innermost
from met2net.training.best_weights import BestWeights
from met2net.training.fitted_settings import asked_static_fields, settings_for
from met2net.training.module import ForecastModule
from met2net.training.objective import EndToEnd, Objective
from met2net.training.patience import ForecastPatience
from met2net.training.references import fit_objective, set_references
from met2net.training.settings import OptimizationSettings
from met2net.training.two_stage import TwoStage

__all__ = ["train"]


def train(
    data: TrainingSet,
    *,
    window: WindowSpec,
    network: Mapping[str, Any],
    optimization: OptimizationSettings,
    objective: Objective | None = None,
    accelerator: str = "cpu",
    provenance: Mapping[str, str] | None = None,
    progress: bool = False,
) -> Forecaster:
    """Train a network on the training split; keep the epoch that is best on the validation split.

    Everything happens in this process and in memory; what `pipelines.training` adds are processes
    of their own, several devices, and states to resume from.

    Args:
        data: fields and splits.
        window: input hours and lead times of the samples.
        network: settings as `settings_of` and the published sizes give them; `variables`,
            `num_inputs` and `num_targets` follow from `data` and `window` where they are not said.
        optimization: epochs, batch size, learning rate, precision, seed ...
        objective: what is minimized; None: `TwoStage` for a Met2Net, with the momentum of the
            released code, else `EndToEnd`.
        accelerator: `cpu` or `gpu`.
        provenance: plain texts that travel in the checkpoint.
        progress: whether to show a bar.

    Raises:
        ValueError: if a split has no window, or settings do not fit each other.
        RuntimeError: if the validation error never was a number.
    """
    windows = {split: data.some_windows(split, window) for split in ("train", "validation")}
    settings = settings_for(
        network,
        variables=data.variables,
        grid=data.grid,
        climatology_shape=tuple(data.climatology.values.shape),
        window=window,
        masked=data.masked,
        static=data.static_contents(asked_static_fields(network)),
    )
    with torch.random.fork_rng(), warnings.catch_warnings():
        torch.manual_seed(optimization.seed)
        # Windows come from memory; workers would only copy.
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        # Lightning 2.6 with torch 2.13.
        warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
        built = build(settings)
        set_references(
            built,
            data,
            window=window,
            ridge=lambda: fit_ridge(
                windows["train"], windows["validation"], climatology=data.climatology,
                window=window, periodic_longitude=data.grid.is_periodic, valid=data.valid,
            ),
        )  # fmt: skip
        if objective is None:
            is_met2net = isinstance(innermost(built), Met2Net)
            objective = TwoStage(translator_momentum=0.9) if is_met2net else EndToEnd()
        fit_objective(objective, data, window=window)
        module = ForecastModule(built, objective, optimization)
        best = BestWeights()
        callbacks: list[L.Callback] = [best]
        if optimization.patience is not None:
            callbacks.append(ForecastPatience(optimization.patience))
        trainer = L.Trainer(
            accelerator=accelerator,
            devices=1,
            precision=optimization.precision,
            max_epochs=optimization.max_epochs,
            limit_train_batches=optimization.batches_per_epoch or 1.0,
            callbacks=callbacks,
            plugins=[LightningEnvironment()],  # a scheduler's variables say nothing about this
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=progress,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(
            module,
            _batches(windows["train"], optimization, training=True),
            _batches(windows["validation"], optimization, training=False),
        )
    trained = module.evaluated_network.cpu()
    best.restore(trained)
    made_by = {
        "training_set": data.attrs["fingerprint"],
        "code_version": data.attrs["code_version"],
        "attribution": data.attrs["attribution"],
        **(provenance or {}),
    }
    return Forecaster(
        Checkpoint(
            network=trained,
            settings=settings,
            normalizer=data.normalizer,
            grid=data.grid,
            window=window,
            variables=dict(data.variables),
            units=data.units,
            provenance=made_by,
            valid=data.valid,
        )
    )


def _batches(
    windows: WindowDataset, optimization: OptimizationSettings, *, training: bool
) -> WindowBatches:
    """Give a split's batches; those of training are shuffled."""
    order = BatchOrder.of_split(
        len(windows), optimization.batch_size, training=training, seed=optimization.seed
    )
    return WindowBatches(windows, order)
