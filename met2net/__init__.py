"""Met2Net: decoupled two-stage spatio-temporal forecasting of the weather.

What stands in `__all__` is what other code may build on; everything else may move. The names are
looked up when they are first asked for, so that `import met2net` itself loads nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from met2net.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from met2net.data.training_set import TrainingSet
    from met2net.data.variable_definitions import Definition
    from met2net.data.windows import WindowSpec
    from met2net.forecast import Forecaster
    from met2net.forecaster_scores import score_forecasts
    from met2net.forecaster_training import train
    from met2net.models.known_inputs import KnownInputs
    from met2net.models.linear_reference import LinearReference
    from met2net.models.met2net import Met2Net
    from met2net.models.own_classes import register, settings_of
    from met2net.models.published_sizes import (
        met2net_era5_cropped,
        met2net_mvmmfnist,
        met2net_taxibj,
        met2net_weather_h,
        met2net_weather_ha,
        met2net_weather_l,
    )
    from met2net.models.reference_frame import ReferenceFrame
    from met2net.training.objective import EndToEnd, Objective
    from met2net.training.settings import OptimizationSettings
    from met2net.training.two_stage import TwoStage
    from met2net.verification.own_metrics import OwnMetric, register_metric

__all__ = [
    "Checkpoint",
    "Definition",
    "EndToEnd",
    "Forecaster",
    "KnownInputs",
    "LinearReference",
    "Met2Net",
    "Objective",
    "OptimizationSettings",
    "OwnMetric",
    "ReferenceFrame",
    "TrainingSet",
    "TwoStage",
    "WindowSpec",
    "__version__",
    "load_checkpoint",
    "met2net_era5_cropped",
    "met2net_mvmmfnist",
    "met2net_taxibj",
    "met2net_weather_h",
    "met2net_weather_ha",
    "met2net_weather_l",
    "register",
    "register_metric",
    "save_checkpoint",
    "score_forecasts",
    "settings_of",
    "train",
]

# Written out, not asked from the installation: a registered model carries this package as
# plain code to places where nothing is installed.
__version__ = "0.1.0"

_MODULES = {
    "checkpoint": ("Checkpoint", "load_checkpoint", "save_checkpoint"),
    "data.training_set": ("TrainingSet",),
    "data.variable_definitions": ("Definition",),
    "data.windows": ("WindowSpec",),
    "forecast": ("Forecaster",),
    "forecaster_scores": ("score_forecasts",),
    "forecaster_training": ("train",),
    "models.known_inputs": ("KnownInputs",),
    "models.linear_reference": ("LinearReference",),
    "models.met2net": ("Met2Net",),
    "models.own_classes": ("register", "settings_of"),
    "models.published_sizes": (
        "met2net_era5_cropped", "met2net_mvmmfnist", "met2net_taxibj", "met2net_weather_h",
        "met2net_weather_ha", "met2net_weather_l",
    ),
    "models.reference_frame": ("ReferenceFrame",),
    "training.objective": ("EndToEnd", "Objective"),
    "training.settings": ("OptimizationSettings",),
    "training.two_stage": ("TwoStage",),
    "verification.own_metrics": ("OwnMetric", "register_metric"),
}  # fmt: skip
_HOMES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name's module.

    Raises:
        AttributeError: if there is no such name.
    """
    if name not in _HOMES:
        raise AttributeError(f"module 'met2net' has no attribute {name!r}")
    # By this package's own name: a registered model carries it under another one.
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """Name what is public, and what modules are there."""
    return sorted({*globals(), *__all__})
