"""How p-values are written, in tables and in sentences."""

import math

__all__ = ["p_value_text"]

_SMALLEST = 0.001  # that three decimals can tell


def p_value_text(value: float) -> str:
    """Write a p-value with three decimals: `0.012`, `< 0.001`; undefined ones as a dash."""
    if math.isnan(value):
        return "–"
    return f"< {_SMALLEST}" if value < _SMALLEST else f"{value:.3f}"
