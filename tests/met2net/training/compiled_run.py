"""Compare gradients of compiled parts with plain ones; print figures as JSON.

`python -m tests.met2net.training.compiled_run BACKEND keep|recompute`
"""

import json
import sys

import torch
from torch._dynamo.utils import counters

from met2net.training.compilation import compile_parts, eager
from met2net.training.module import ForecastModule
from met2net.training.repeated_blocks import recompute_activations
from tests.met2net.training.data_parallel_run import make_module


def gradient(module: ForecastModule) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    inputs, targets = torch.randn(2, 4, 2, 3, 8, 12, generator=generator)
    for stage in module.objective.stages(module.network, inputs, targets):
        stage["loss"].backward()
    return torch.cat([weight.grad.flatten() for weight in module.network.parameters()])


def state(module: ForecastModule) -> torch.Tensor:
    return torch.cat([t.double().flatten() for t in module.state_dict().values()])


def main(backend: str, *, recompute: bool) -> None:
    plain, module = make_module(batch_size=4), make_module(batch_size=4)
    expected = gradient(plain)
    if recompute:
        recompute_activations(module)
    parts = compile_parts(module.network, copies=module.objective, backend=backend)
    difference = (gradient(module) - expected).abs().max() / expected.abs().max()
    figures = {
        "parts": parts,
        "graphs": counters["stats"]["unique_graphs"],
        "graph_breaks": sum(counters["graph_break"].values()),
        "gradient_difference": float(difference),
        "state_difference": float((state(module) - state(plain)).abs().max()),
    }
    with eager(), torch.no_grad():
        module.network.eval()(torch.randn(4, 2, 3, 8, 12))
    figures["graphs_in_validation"] = counters["stats"]["unique_graphs"] - figures["graphs"]
    print(json.dumps(figures))


if __name__ == "__main__":
    main(sys.argv[1], recompute=sys.argv[2] == "recompute")
