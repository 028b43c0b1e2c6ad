"""Benchmark results: one table at the end of a run, and the same as JSON.

The file is `benchmarks.json` in the current folder, or where the environment variable
`BENCHMARKS_JSON` says.
"""

import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Protocol

import jaxtyping
import pytest

from pipelines.code_version import git_commit

_RESULTS = pytest.StashKey[list[dict[str, str | float]]]()
_PACKAGES = ("numpy", "torch", "xarray", "zarr", "dask")


class RecordRatio(Protocol):
    def __call__(self, name: str, value: float, *, bound: str, unit: str = "") -> None: ...


def pytest_configure(config: pytest.Config) -> None:
    config.stash.setdefault(_RESULTS, [])


@pytest.fixture(autouse=True)
def _without_type_checks() -> Iterator[None]:
    """Measure the code as it runs in production: shape checks are for tests."""
    before = jaxtyping.config.jaxtyping_disable
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", before)


@pytest.fixture
def record_ratio(request: pytest.FixtureRequest) -> RecordRatio:
    """Note one figure with the bound it has to keep; call it before asserting the bound."""
    results = request.config.stash.setdefault(_RESULTS, [])

    def record(name: str, value: float, *, bound: str, unit: str = "") -> None:
        results.append(
            {
                "test": request.node.nodeid,
                "name": name,
                "value": float(value),
                "bound": bound,
                "unit": unit,
            }
        )

    return record


def _processor() -> str:
    """Give the processor's name, as Linux has it; elsewhere its architecture."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    results = config.stash.get(_RESULTS, [])
    if not results:
        return
    failed = {report.nodeid for report in terminalreporter.stats.get("failed", [])}
    for result in results:
        result["outcome"] = "failed" if result["test"] in failed else "passed"
    machine = {"processors": os.cpu_count(), "processor": _processor()}
    versions = {"python": platform.python_version()}
    versions |= {name: version(name) for name in _PACKAGES}
    path = Path(os.environ.get("BENCHMARKS_JSON", "benchmarks.json"))
    content = {
        "commit": git_commit(), "machine": machine, "versions": versions, "results": results,
    }  # fmt: skip
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    width = max(len(str(result["name"])) for result in results)
    terminalreporter.section("benchmarks")
    for result in results:
        value = f"{result['value']:.3g} {result['unit']}".strip()
        terminalreporter.write_line(
            f"{result['name']:<{width}}  {value:>12}  {result['bound']:<10}  {result['outcome']}"
        )
    terminalreporter.write_line(f"written to {path}")
