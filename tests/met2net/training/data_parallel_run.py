"""Train a small Met2Net on every process that runs this; write what each ends with.

`python -m tests.met2net.training.data_parallel_run FOLDER`, alone or under torchrun. All
processes together take 8 windows a step.
"""

import logging
import os
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from lightning import Trainer, seed_everything
from torch import nn

from met2net.data.batches import BatchOrder, WindowBatches
from met2net.data.windows import WindowDataset, WindowSpec
from met2net.models.met2net import Met2Net
from met2net.training.devices import DataParallel
from met2net.training.module import ForecastModule
from met2net.training.settings import OptimizationSettings
from met2net.training.two_stage import TwoStage

STEPS, STEPS_PER_EPOCH, WINDOWS_A_STEP = 20, 5, 8
SPEC = WindowSpec((-1, 0), (1, 2))


def make_batches(
    num_windows: int, *, batch_size: int, shuffle: bool, rank: int, world_size: int
) -> WindowBatches:
    generator = torch.Generator().manual_seed(num_windows)
    fields = torch.randn(num_windows + 3, 3, 4, 6, generator=generator, dtype=torch.float64)
    positions = np.arange(num_windows)[:, None] + np.arange(4)
    windows = WindowDataset(fields, hours=np.arange(len(fields)), windows=positions, spec=SPEC)
    order = BatchOrder(
        num_windows, batch_size, shuffle=shuffle, drop_last=shuffle, rank=rank,
        world_size=world_size,
    )  # fmt: skip
    return WindowBatches(windows, order, prefetch=0)


def make_module(*, batch_size: int, accumulate_batches: int = 1, seed: int = 0) -> ForecastModule:
    torch.manual_seed(seed)
    network = Met2Net(
        variables={"wind": ("u10", "v10"), "t2m": ("t2m",)}, num_inputs=2, num_targets=2,
        spatial_dim=4, latent_dim=8, num_blocks=2, num_heads=2, drop_path=0.0,
    )  # fmt: skip
    settings = OptimizationSettings(
        learning_rate=1e-3, schedule="one_cycle", max_epochs=STEPS // STEPS_PER_EPOCH,
        batch_size=batch_size, accumulate_batches=accumulate_batches, gradient_clip=1.0,
        average_decay=0.9,
    )  # fmt: skip
    return ForecastModule(network, TwoStage(translator_momentum=0.9), settings)


def freeze_statistics(module: nn.Module) -> None:
    """Keep batch normalizations in eval mode, whatever mode the network is put in."""
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.eval()
            part.train = lambda mode=True, part=part: part


def run(module: ForecastModule, *, rank: int = 0, world_size: int = 1) -> dict[str, torch.Tensor]:
    """Train; give weights, buffers and logged metrics."""
    size = module.settings.batch_size
    trainer = Trainer(
        accelerator="cpu", devices=world_size, precision="64-true",
        strategy=DataParallel() if world_size > 1 else "auto",
        max_epochs=module.settings.max_epochs,
        logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, num_sanity_val_steps=0, use_distributed_sampler=False,
    )  # fmt: skip
    shards = {"rank": rank, "world_size": world_size}
    trainer.fit(
        module,
        make_batches(STEPS_PER_EPOCH * WINDOWS_A_STEP, batch_size=size, shuffle=True, **shards),
        make_batches(7, batch_size=2, shuffle=False, **shards),  # 4 and 3 on two devices
    )
    assert trainer.global_step == STEPS
    # Copies: a later fit would move these.
    result = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    metrics = {f"metric {k}": v.clone().double() for k, v in trainer.callback_metrics.items()}
    return result | metrics


def main(folder: Path) -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", message=".*treespec, LeafSpec.*")
    warnings.filterwarnings("ignore", message=".*does not have many workers.*")
    seed_everything(0, verbose=False)
    rank, world_size = (int(os.environ.get(k, d)) for k, d in (("RANK", 0), ("WORLD_SIZE", 1)))
    results = {}
    for name in ("frozen", "free"):
        # Other weights on every device: they have to start from the first one's.
        module = make_module(batch_size=WINDOWS_A_STEP // world_size, seed=rank)
        if name == "frozen":
            freeze_statistics(module)
        results[name] = run(module, rank=rank, world_size=world_size)
    torch.save(results, folder / f"{rank}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
