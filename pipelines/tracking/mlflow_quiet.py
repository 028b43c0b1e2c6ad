"""MLflow without the warnings that its own code causes.

Modules here import `mlflow` from this one.
"""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# A bar for every file that is copied says nothing that a stage's own lines do not.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
with warnings.catch_warnings():
    # MLflow 3.17 infers schemas from its own classes at import and warns of their `Any` hints.
    warnings.filterwarnings("ignore", message=r".*Any type hint is inferred as AnyType")
    import mlflow
    import mlflow.pyfunc

__all__ = ["mlflow", "mlflow_client", "tracking_at"]

_REGISTRY = "MLFLOW_REGISTRY_URI"


def mlflow_client(uri: str) -> "mlflow.MlflowClient":
    """Give a client whose runs and registered models are in one store.

    The environment's MLFLOW_REGISTRY_URI, which would send versions elsewhere than the runs that
    they came from, does not count.
    """
    return mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)


@contextmanager
def tracking_at(uri: str) -> Iterator[None]:
    """Point MLflow's module-level functions, which logging a model needs, at one store."""
    before = mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None
    registry = os.environ.pop(_REGISTRY, None)
    mlflow.set_tracking_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before)  # type: ignore[arg-type]  # None: none is set
        if registry is not None:
            os.environ[_REGISTRY] = registry
