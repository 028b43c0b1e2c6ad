"""The script that MLflow runs to load a registered model; nothing is pickled.

It stands in the model's folder beside a copy of `met2net` and must not import anything else
of this project.
"""

from pathlib import Path
from typing import Any

import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext


class ForecastModel(PythonModel):
    """A checkpoint as an MLflow model: physical units in and out."""

    def load_context(self, context: PythonModelContext) -> None:
        """Rebuild the network from its safetensors file."""
        # Imported here: MLflow puts the copied code on the path before it calls this.
        from met2net.checkpoint import load_checkpoint
        from met2net.forecast import Forecaster

        self._forecaster = Forecaster(load_checkpoint(Path(context.artifacts["checkpoint"])))

    def predict(
        self,
        context: PythonModelContext,
        model_input: np.ndarray,
        params: dict[str, Any] | None = None,
    ) -> np.ndarray:
        """Forecast B T' C H W from B T C H W, channels and grid as in the checkpoint.

        Raises:
            MlflowException: if the inputs are not what the model takes; over HTTP, status 400.
        """
        try:
            inputs = np.asarray(model_input, dtype=np.float32)
            if inputs.ndim != 5:
                raise ValueError(f"inputs have {inputs.ndim} axes; expected 5, B T C H W")
            return self._forecaster.predict(inputs)
        except (ValueError, TypeError) as error:
            raise MlflowException.invalid_parameter_value(str(error)) from error


set_model(ForecastModel())
