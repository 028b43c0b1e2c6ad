"""Splits that move with the newest month."""

from dataclasses import dataclass

import numpy as np

from pipelines.errors import DataError
from pipelines.period import Month, Period
from pipelines.training_sets.splits import Splits

__all__ = ["RollingSplits"]


@dataclass(frozen=True)
class RollingSplits:
    """Newest months for the test, those before for validation, those before for training.

    Attributes:
        test_months: newest months, on which champion and challenger are scored. A champion that
            was trained a month ago has not been trained on them as long as they are at most
            `validation_months` + 1 more than the months that came since.
        validation_months: months before them, on which the best epoch is chosen.
        training_months: months before those; None: all.
        fewest_training_months: with fewer nothing is trained.

    Raises:
        ValueError: if a number is below 1, or the fewest are more than all.
    """

    test_months: int = 2
    validation_months: int = 2
    training_months: int | None = None
    fewest_training_months: int = 12

    def __post_init__(self) -> None:
        """Check ranges."""
        for name in ("test_months", "validation_months", "fewest_training_months"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        longest = self.training_months
        if longest is not None and longest < self.fewest_training_months:
            raise ValueError(
                f"training_months is {longest}; expected at least fewest_training_months, "
                f"{self.fewest_training_months}, or null"
            )

    @property
    def fewest_months(self) -> int:
        """Months that an archive must have."""
        return self.fewest_training_months + self.validation_months + self.test_months

    def splits(self, first: np.datetime64, newest: Month) -> Splits:
        """Cut an archive that starts at an hour and ends with a month.

        Raises:
            DataError: if the archive is too short.
        """
        num_months = _number(newest) - _number(Month.of(first)) + 1
        if num_months < self.fewest_months:
            raise DataError(
                f"found {max(num_months, 0)} months from {Month.of(first)} to {newest}; expected "
                f"at least {self.fewest_months} to cut training, validation and test from"
            )
        test = _before(newest, self.test_months - 1)
        validation = _before(test, self.validation_months)
        start = Month.of(first)
        if self.training_months is not None:
            start = max(start, _before(validation, self.training_months))
        return Splits(
            train=Period(str(max(start.first_hour, first)), str(_before(validation, 1))),
            validation=Period(str(validation), str(_before(test, 1))),
            test=Period(str(test), str(newest)),
        )


def _number(month: Month) -> int:
    return month.year * 12 + month.number


def _before(month: Month, months: int) -> Month:
    return Month.of(np.datetime64(str(month), "M") - months)
