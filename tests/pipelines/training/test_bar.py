import io
import logging
import re
import sys
from types import SimpleNamespace

import pytest
from rich.console import Console

from pipelines.training.bar import TrainingBar


def make_trainer(*, done: int = 0, is_global_zero: bool = True) -> SimpleNamespace:
    progress = SimpleNamespace(total=SimpleNamespace(completed=done))
    loop = SimpleNamespace(epoch_loop=SimpleNamespace(batch_progress=progress))
    return SimpleNamespace(
        is_global_zero=is_global_zero, num_training_batches=25, max_epochs=4, fit_loop=loop
    )


def make_bar() -> tuple[TrainingBar, Console]:
    console = Console(file=io.StringIO(), force_terminal=True, width=120)
    return TrainingBar("met2net", console=console), console


@pytest.mark.parametrize("done", [0, 50])
def test_the_bar_counts_batches_of_all_epochs_from_where_a_resumed_training_goes_on(done):
    bar, console = make_bar()
    bar.on_train_start(make_trainer(done=done), None)
    for number in range(10):
        bar.on_train_batch_end(None, None, None, None, number)
    bar.on_train_end(None, None)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", console.file.getvalue())
    assert "training met2net" in text and re.search(rf"{done + 10}/100 +batches", text)


def test_log_lines_stand_above_the_bar_and_go_where_they_went_afterwards(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "__stderr__", stream)
    monkeypatch.setattr(sys, "stderr", stream)
    handler = logging.StreamHandler()
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    bar, console = make_bar()
    bar.on_train_start(make_trainer(), None)
    assert handler.stream is not stream
    handler.stream.write("epoch 1\n")
    bar.on_exception(None, None, KeyboardInterrupt())
    assert handler.stream is stream
    assert "epoch 1" in console.file.getvalue() and stream.getvalue() == ""


def test_one_process_of_several_draws():
    bar, console = make_bar()
    bar.on_train_start(make_trainer(is_global_zero=False), None)
    bar.on_train_batch_end(None, None, None, None, 0)
    bar.on_train_end(None, None)
    assert console.file.getvalue() == ""
