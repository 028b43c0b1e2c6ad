"""Whether a network runs inside the transforms of `torch.func`."""

import torch

__all__ = ["is_transformed"]


def is_transformed() -> bool:
    """Tell whether `torch.func.grad`, `vmap` or another transform is at work.

    They refuse what only saves memory in plain training, as computing activations again does.
    """
    return not torch.compiler.is_compiling() and torch._C._are_functorch_transforms_active()
