"""The script that MLflow runs to load a registered model; nothing is pickled.

It stands in the model's folder beside a copy of `met2net` and must not import anything else
of this project.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext

_PACKAGE = "met2net"
MOST_LEADS = 1000
"""Of one request, so that none keeps a server busy for ever."""


class ForecastModel(PythonModel):
    """A checkpoint as an MLflow model: physical units in and out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Rebuild the network from its safetensors file."""
        path = Path(context.artifacts["checkpoint"])
        with _code_of(path.parents[1] / "code"):
            from met2net.checkpoint import load_checkpoint
            from met2net.forecast import Forecaster

            self._forecaster = Forecaster(load_checkpoint(path))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Forecast B T' C H W from B T C H W, channels and grid as in the checkpoint.

        Args:
            context: of MLflow.
            model_input: physical units; of a model that needs the init times a mapping: `fields`
                and `init_time`, hours since 1970-01-01T00 UTC, one a sample.
            params: `num_leads`, the number of lead times T'; past the trained ones by roll-out.

        Raises:
            MlflowException: if the inputs are not what the model takes; over HTTP, status 400.
        """
        try:
            fields, init_time = _named(model_input)
            inputs = np.asarray(fields, dtype=np.float32)
            if inputs.ndim != 5:
                raise ValueError(f"inputs have {inputs.ndim} axes; expected 5, B T C H W")
            num_leads = (params or {}).get("num_leads")
            if num_leads is not None and not 1 <= num_leads <= MOST_LEADS:
                raise ValueError(f"num_leads is {num_leads}; expected 1 to {MOST_LEADS}")
            return self._forecaster.roll_out(inputs, init_time, num_leads=num_leads)
        except (ValueError, TypeError) as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


def _named(model_input: Any) -> tuple[Any, Any]:
    """Take fields and init times apart."""
    if not isinstance(model_input, dict):
        return model_input, None
    unknown = sorted(set(model_input) - {"fields", "init_time"})
    if unknown or "fields" not in model_input:
        raise ValueError(
            f"inputs are named {', '.join(map(str, model_input))}; expected fields and init_time"
        )
    return model_input["fields"], model_input.get("init_time")


@contextmanager
def _code_of(folder: Path) -> Iterator[None]:
    """Import `met2net` from a model's own folder, whatever version of it is loaded already.

    MLflow only puts the folder on `sys.path`: a process that has loaded another version, or the
    package itself, would get that one's modules. Each model keeps its own, which no other import
    finds. Where the folder has no copy (the script run from a checkout), the package is imported.
    """
    if not (folder / _PACKAGE).is_dir():
        yield
        return
    others = _take_modules()
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        _take_modules()
        sys.modules.update(others)


def _take_modules() -> dict[str, Any]:
    """Take the package's modules out of the imported ones."""
    names = [name for name in sys.modules if name.split(".")[0] == _PACKAGE]
    return {name: sys.modules.pop(name) for name in names}


set_model(ForecastModel())
