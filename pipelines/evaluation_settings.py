"""How trained models are scored, shown and analysed."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["EvaluationSettings"]


@dataclass(frozen=True)
class EvaluationSettings:
    """What is scored, and on how much of it the analyses look.

    Attributes:
        split: the split that is scored.
        batch_size: windows a step; changes no score.
        num_examples: worked windows in the report.
        num_analysis_samples: windows behind CKA and attention maps.

    Raises:
        ValueError: if a value is out of range.
    """

    split: Literal["train", "validation", "test"] = "test"
    batch_size: int = 64
    num_examples: int = 1
    num_analysis_samples: int = 64

    def __post_init__(self) -> None:
        """Check ranges."""
        if self.split not in ("train", "validation", "test"):
            raise ValueError(f"split is {self.split!r}; expected train, validation or test")
        for name, smallest in (("batch_size", 1), ("num_examples", 1), ("num_analysis_samples", 4)):
            value = getattr(self, name)
            if value < smallest:
                raise ValueError(f"{name} is {value}; expected at least {smallest}")
