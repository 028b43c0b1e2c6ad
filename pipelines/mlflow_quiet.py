"""MLflow without the warnings that its own code causes.

Modules here import `mlflow` from this one.
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

with warnings.catch_warnings():
    # MLflow 3.17 infers schemas from its own classes at import and warns of their `Any` hints.
    warnings.filterwarnings("ignore", message=r".*Any type hint is inferred as AnyType")
    import mlflow
    import mlflow.pyfunc

__all__ = ["mlflow", "quiet_store"]


@contextmanager
def quiet_store() -> Iterator[None]:
    """Keep quiet about queries of MLflow that SQLAlchemy 2.1 deprecates."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The ``noload`` loader strategy is deprecated")
        yield
