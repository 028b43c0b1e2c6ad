"""How many steps a training takes is what its loader gives, and fewer than asked for is told."""

from dataclasses import replace
from pathlib import Path

import pytest

from met2net.data.batches import BatchOrder
from met2net.data.training_set import TrainingSet
from met2net.training.settings import OptimizationSettings
from pipelines.training.batches_in_epoch import batches_in_epoch
from pipelines.training.data_module import WindowModule
from tests.pipelines.small_project import make_training_set
from tests.pipelines.training.training_jobs import make_job


@pytest.mark.parametrize(
    ("windows", "devices", "asked", "expected"),
    [
        (933, 1, None, 233),  # the last window alone makes no batch
        (933, 1, 580, 233),
        (933, 1, 100, 100),
        (933, 2, None, 116),
        (3, 1, None, 1),
    ],
)
def test_it_is_what_the_loader_gives(windows, devices, asked, expected) -> None:
    settings = OptimizationSettings(
        learning_rate=1e-3, schedule="cosine", max_epochs=1, batch_size=4, batches_per_epoch=asked
    )
    assert batches_in_epoch(settings, num_windows=windows, num_devices=devices) == expected
    order = BatchOrder(
        windows, 4, shuffle=True, drop_last=windows >= 4 * devices, world_size=devices
    )
    assert expected == min(order.num_batches, asked or order.num_batches)


def test_fewer_batches_than_asked_for_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = make_training_set(tmp_path)
    job = make_job(store, batches_per_epoch=9)
    with caplog.at_level("WARNING", logger="met2net.training"):
        WindowModule(TrainingSet.open(store), job)
    assert "met2net: batches_per_epoch is 9, and 140 windows make 8 batches of 16" in caplog.text
    caplog.clear()
    enough = replace(job, optimization=replace(job.optimization, batches_per_epoch=8))
    WindowModule(TrainingSet.open(store), enough)
    assert not caplog.records
