"""Which windows the processes of one training see."""

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import lightning as L
import pytest
import torch

from met2net.data.batches import BatchOrder
from met2net.data.training_set import TrainingSet
from met2net.training.settings import OptimizationSettings
from pipelines.training.data_module import WindowModule
from pipelines.training.job import TrainerSettings, TrainingJob
from tests.pipelines.small_project import WINDOW, make_training_set

_SCRIPT = """
import json, sys
from pathlib import Path
import lightning as L
import torch
from met2net.training.settings import OptimizationSettings
from met2net.data.training_set import TrainingSet
from pipelines.training.job import TrainerSettings, TrainingJob
from pipelines.training.data_module import WindowModule
from tests.pipelines.small_project import WINDOW


class Counting(L.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.seen = {"train": [[]], "validation": []}

    def training_step(self, batch, batch_idx):
        self.seen["train"][-1].append(batch["init_time"].tolist())
        return (self.weight * batch["inputs"].mean()).sum()

    def on_train_epoch_end(self):
        self.seen["train"].append([])

    def validation_step(self, batch, batch_idx):
        if self.trainer.current_epoch == 0:
            self.seen["validation"].append(batch["init_time"].tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


if __name__ == "__main__":
    store, out = map(Path, sys.argv[1:])
    job = TrainingJob(
        "count", str(store), store.stem, WINDOW, {}, {},
        OptimizationSettings(
            learning_rate=1e-3, schedule="constant", max_epochs=2, batch_size=8, seed=3
        ),
        TrainerSettings(devices=2), {},
    )
    trainer = L.Trainer(
        accelerator="cpu", devices=2, strategy="ddp", max_epochs=2, logger=False,
        enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    counting = Counting()
    trainer.fit(counting, datamodule=WindowModule(TrainingSet.open(store), job))
    (out / f"{trainer.global_rank}.json").write_text(json.dumps(counting.seen))
"""
NUM_TRAIN, NUM_VALIDATION = 144 - 4, 48 - 4  # windows of five frames


@pytest.mark.long
def test_two_processes_score_every_window_once_and_train_on_none_twice(tmp_path: Path):
    store = make_training_set(tmp_path)
    script = tmp_path / "count.py"
    script.write_text(_SCRIPT)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    subprocess.run(
        [sys.executable, str(script), str(store), str(tmp_path)], check=True, env=environment,
        timeout=300, stderr=subprocess.PIPE,
    )  # fmt: skip
    seen = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2)]

    scored = [[time for batch in each["validation"] for time in batch] for each in seen]
    assert [len(times) for times in scored] == [22, 22]
    assert len(Counter(scored[0] + scored[1])) == NUM_VALIDATION
    assert max(Counter(scored[0] + scored[1]).values()) == 1

    for epoch in range(2):
        batches = [each["train"][epoch] for each in seen]
        assert [[len(batch) for batch in mine] for mine in batches] == [[8] * 8] * 2
        counts = Counter(time for mine in batches for batch in mine for time in batch)
        assert max(counts.values()) == 1 and len(counts) == 128 <= NUM_TRAIN
    assert seen[0]["train"][0] != seen[0]["train"][1]  # another order in every epoch


@pytest.mark.parametrize("on_device", [False, True])
def test_batches_are_the_same_from_a_device(tmp_path: Path, on_device: bool):
    store = make_training_set(tmp_path)
    data = TrainingSet.open(store)
    job = TrainingJob(
        "count", str(store), store.stem, WINDOW, {}, {},
        OptimizationSettings(
            learning_rate=1e-3, schedule="constant", max_epochs=1, batch_size=64, seed=3
        ),
        TrainerSettings(), {},
    )  # fmt: skip
    module = WindowModule(data, job, on_device=on_device)
    module.trainer = L.Trainer(
        accelerator="cpu", logger=False, enable_progress_bar=False, default_root_dir=tmp_path
    )
    module.setup("fit")
    order = BatchOrder(NUM_TRAIN, 64, shuffle=True, seed=3, drop_last=True)
    windows = data.windows("train", WINDOW)
    train = list(module.train_dataloader())
    assert len(train) == NUM_TRAIN // 64 == 2
    for batch, indices in zip(train, order.windows(0)[:128].reshape(2, 64), strict=True):
        for name, tensor in windows.batch(indices).items():
            assert torch.equal(batch[name], tensor)
    scored = [batch["init_time"] for batch in module.val_dataloader()]
    assert torch.equal(torch.cat(scored), torch.from_numpy(data.hours[144 + 2 : 144 + 2 + 44]))
