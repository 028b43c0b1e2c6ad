"""Which hours train, choose and score a model. Light to import: settings are checked early."""

from dataclasses import dataclass, fields
from itertools import combinations

from pipelines.period import Period

__all__ = ["Splits"]


@dataclass(frozen=True)
class Splits:
    """Which hours are for training, for choosing a model, and for the final scores.

    Validation may be exactly the test split: published numbers were made so (protocol
    `paper`), and nothing else should be.

    Raises:
        ValueError: if two of them share an hour and are not just that.
    """

    train: Period
    validation: Period
    test: Period

    def __post_init__(self) -> None:
        """Check that no hour is in two splits."""
        for (name, period), (other, other_period) in combinations(self.periods().items(), 2):
            if name == "validation" and self.validates_on_test:
                continue
            if period.first <= other_period.last and other_period.first <= period.last:
                raise ValueError(
                    f"splits {name} ({period}) and {other} ({other_period}) overlap; "
                    "expected no hour in two splits"
                )

    @property
    def validates_on_test(self) -> bool:
        """True where validation and test are the same hours."""
        ends = [(period.first, period.last) for period in (self.validation, self.test)]
        return ends[0] == ends[1]

    def periods(self) -> dict[str, Period]:
        """Give the splits by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def identity(self) -> dict[str, list[str]]:
        """The splits' first and last hours, however they were written."""
        return {name: [str(p.first), str(p.last)] for name, p in self.periods().items()}
