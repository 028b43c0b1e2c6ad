"""Memory that is freed and taken again, in a process of its own: the change is the process's."""

import ctypes
import subprocess
import sys
from types import SimpleNamespace

import pytest

from met2net.training import freed_memory
from met2net.training.freed_memory import keep_freed_memory

PROGRAM = """
from resource import RUSAGE_SELF, getrusage

import torch
from torch import nn

from met2net.training.freed_memory import keep_freed_memory

torch.set_num_threads(1)
layers = nn.Sequential(nn.Conv2d(8, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 8, 3, padding=1))
fields = torch.randn(4, 8, 128, 256)  # 4 MiB


def faults():
    before = getrusage(RUSAGE_SELF).ru_minflt
    for _ in range(4):
        layers(fields).square().mean().backward()
    return (getrusage(RUSAGE_SELF).ru_minflt - before) / 4


faults()
before, accepted = faults(), keep_freed_memory()
# The first ones take the memory that is kept from here on; a hole that does not fit may ask for a
# block once more later on.
print(before, accepted, min(faults() for _ in range(8)))
"""


@pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "mallopt"), reason="needs glibc"
)
def test_a_step_takes_no_fresh_pages_once_freed_memory_is_kept() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    before, accepted, after = done.stdout.split()
    assert float(before) >= 1024  # pages of 4 KiB: one such block; several are seen
    assert accepted == "True"
    assert float(after) <= float(before) / 20


def test_nothing_is_changed_on_other_systems(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed_memory, "sys", SimpleNamespace(platform="darwin"))
    monkeypatch.setattr(freed_memory, "ctypes", SimpleNamespace())  # is not even asked
    assert not keep_freed_memory()


def test_nothing_is_changed_with_another_library(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed_memory, "sys", SimpleNamespace(platform="linux"))
    library = SimpleNamespace()  # as musl, without mallopt
    monkeypatch.setattr(freed_memory, "ctypes", SimpleNamespace(CDLL=lambda _name: library))
    assert not keep_freed_memory()


def test_a_refusal_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freed_memory, "sys", SimpleNamespace(platform="linux"))
    library = SimpleNamespace(mallopt=lambda _parameter, _value: 0)
    monkeypatch.setattr(freed_memory, "ctypes", SimpleNamespace(CDLL=lambda _name: library))
    assert not keep_freed_memory()
