"""`prefect run PATH [OVERRIDES...]`: run the flow in a file with Hydra overrides."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Any

import cyclopts

from flows.console.checkout import run_the_code_beside
from pipelines.errors import DataError

if TYPE_CHECKING:
    from prefect import Flow

__all__ = ["find_flow", "run", "run_app"]

_FLOWS = Path(__file__).resolve().parents[1]

# Its help stands where Prefect's CLI learns of it: `flows/prefect_plugin.py`.
run_app = cyclopts.App(name="run", version_flags=[], help_flags=["--help"])


@run_app.default
def run(
    path: Annotated[str, cyclopts.Parameter(help="File with a flow.")],
    /,
    *overrides: Annotated[str, cyclopts.Parameter(help="key=value, as experiment=demo.")],
) -> None:
    """Run the flow in a file with Hydra overrides."""
    # Imported here: help does not need them.
    from flows.console.run import USER_MISTAKE, run_from_console, run_loaded_meanwhile
    from flows.settings.compose import CONFIGS

    file = Path(path)
    run_the_code_beside(file, ["-m", "prefect", *sys.argv[1:]])
    is_ours = file.is_file() and file.resolve().parent == _FLOWS
    if is_ours and (CONFIGS / f"{file.stem}.yaml").is_file():
        run_loaded_meanwhile(lambda: find_flow(file), overrides, config=file.stem)
        return
    try:
        found = find_flow(file)
    except DataError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(USER_MISTAKE) from None
    run_from_console(found, overrides)


def find_flow(path: Path) -> "Flow[..., Any]":
    """Load a file and give the flow named after it, or its only one.

    Raises:
        DataError: if the file is missing, cannot be imported as Python, or has no such flow.
    """
    if not path.is_file():
        folder = path.parent if path.parent.is_dir() else Path("flows")
        choices = ", ".join(str(p) for p in _flow_files(folder)) or "none"
        raise DataError(f"no file {path}; flow files in {folder}/: {choices}")
    if path.suffix != ".py":
        raise DataError(f"{path} is not a Python file; expected a .py file with a flow")
    from prefect import Flow  # imported here: it takes a while, and a mistake does not need it

    flows = {name: value for name, value in vars(_load(path)).items() if isinstance(value, Flow)}
    if path.stem in flows:
        return flows[path.stem]
    if len(flows) == 1:
        return next(iter(flows.values()))
    found = ", ".join(sorted(flows)) or "none"
    raise DataError(
        f"{path} has no flow named {path.stem!r} (flows found: {found}); "
        f"flow files in {path.parent}/: {', '.join(map(str, _flow_files(path.parent))) or 'none'}"
    )


def _load(path: Path) -> ModuleType:
    """Import a file under its own name; its folder's parent is importable, as for a script."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


def _flow_files(folder: Path) -> list[Path]:
    """List the Python files of a folder that define a flow."""
    return sorted(
        p for p in folder.glob("*.py") if "\n@flow" in p.read_text(encoding="utf-8")
    )  # at the start of a line: a decorator
