"""The one form in which forecasts are compared."""

from collections.abc import Callable

from torch import Tensor

__all__ = ["ForecastFunction"]

# Normalized inputs (B T C H W) and init times (B, hours since the epoch) to normalized
# forecasts (B T' C H W).
ForecastFunction = Callable[[Tensor, Tensor], Tensor]
