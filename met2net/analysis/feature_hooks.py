"""What the layers of any network give, recorded while it runs.

A layer is any submodule; patterns name them as `named_modules` does (`encoder.*`,
`translator.blocks.?`). The network itself needs to know nothing of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["layer_features", "listed_layers", "matching_layers"]


def layer_features(
    network: nn.Module, *inputs: Tensor, layers: Sequence[str]
) -> dict[str, Float[Tensor, "b _"]]:
    """Run a network once and give the outputs of its layers, a row a sample.

    A layer that runs several times in one pass, as a recurrent cell does once a frame, gives
    all its outputs side by side, and so does one with several outputs. Where frames or variables
    are folded into the batch, samples must be the slower axis (`(b t)`): a sample's rows are
    laid side by side.

    Args:
        network: in eval mode, so that running it changes nothing.
        inputs: B ..., what the network is called with; the first says the size of the batch.
        layers: names of submodules, as `matching_layers` gives them.

    Raises:
        ValueError: if the network is in training mode, has no such layer, or a layer did not
            run, gave no tensor of real numbers, or rows that are no multiple of the batch.
    """
    if network.training:
        raise ValueError("the network is in training mode; expected eval mode")
    modules = dict(network.named_modules())
    unknown = [name for name in layers if name not in modules]
    if unknown:
        raise ValueError(f"the network has no layer {', '.join(unknown)}")
    # Copies, since a layer may write over its input, which is another's output.
    recorded: dict[str, list[Tensor]] = {name: [] for name in layers}
    handles = [
        modules[name].register_forward_hook(
            lambda _module, _inputs, output, kept=recorded[name]: kept.extend(
                tensor.detach().clone() for tensor in _tensors(output)
            )
        )
        for name in layers
    ]
    try:
        with torch.no_grad():
            network(*inputs)
    finally:
        for handle in handles:
            handle.remove()
    return {name: _by_sample(name, recorded[name], batch=len(inputs[0])) for name in layers}


def matching_layers(network: nn.Module, patterns: Iterable[str]) -> list[str]:
    """List the submodules whose names match a pattern, in the order in which they are defined.

    Patterns are those of shells (`*` also matches dots).

    Raises:
        ValueError: if a pattern matches none.
    """
    names = [name for name, _ in network.named_modules() if name]
    wanted = list(patterns)
    for pattern in wanted:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise ValueError(f"no layer matches {pattern!r}; found: {', '.join(names)}")
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in wanted)]


def listed_layers(network: nn.Module, *, within: str = "") -> list[str]:
    """List the layers that a network keeps in its outermost `ModuleList`s and `Sequential`s.

    These are the stages that its author names: encoder, blocks, decoder, recurrent cells. What
    is inside a member, and layers that stand alone, are not among them. Of a network without
    lists, its direct children.

    Args:
        network: any.
        within: a submodule to start from, such as one network of several.

    Raises:
        ValueError: if there is no such submodule, or nothing in it.
    """
    modules = dict(network.named_modules())
    if within not in modules:
        raise ValueError(f"the network has no layer {within}")
    prefix = f"{within}." if within else ""
    children = [f"{prefix}{name}" for name, _ in modules[within].named_children()]
    if not children:
        raise ValueError(f"{within or 'the network'} has no layers; expected at least one")
    return list(_listed(modules[within], prefix=prefix)) or children


def _listed(module: nn.Module, *, prefix: str) -> Iterable[str]:
    """Walk down to the first lists and name their members; of lists in lists, the inner ones.

    A list's members may be called without it, so that it never runs itself.
    """
    is_list = isinstance(module, nn.ModuleList | nn.Sequential)
    for name, child in module.named_children():
        path = f"{prefix}{name}"
        if is_list and not isinstance(child, nn.ModuleList | nn.Sequential):
            yield path
        else:
            yield from _listed(child, prefix=f"{path}.")


def _tensors(output: Any) -> Iterable[Tensor]:
    """Give the tensors of an output, however nested."""
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for value in output.values():
            yield from _tensors(value)
    elif isinstance(output, list | tuple):
        for value in output:
            yield from _tensors(value)


def _by_sample(name: str, recorded: list[Tensor], *, batch: int) -> Float[Tensor, "b _"]:
    """Lay everything that a layer gave side by side, a row a sample."""
    if not recorded:
        raise ValueError(f"layer {name} gave no tensor; expected it to run in a forward pass")
    parts = []
    for tensor in recorded:
        if not tensor.is_floating_point():
            raise ValueError(f"layer {name} gave {tensor.dtype}; expected real numbers")
        if tensor.ndim == 0 or len(tensor) % batch:
            raise ValueError(
                f"layer {name} gave {tuple(tensor.shape)}; expected a multiple of {batch} rows"
            )
        parts.append(tensor.reshape(batch, -1))
    return torch.cat(parts, dim=1)
