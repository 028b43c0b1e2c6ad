"""Evaluation protocols: on which terms a model is trained, chosen and scored."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["PROTOCOLS", "Protocol"]

PROTOCOLS = ("clean", "paper", "released")


@dataclass(frozen=True)
class Protocol:
    """The terms of an experiment.

    What a protocol changes of splits and windows depends on the data set and stands in its
    configuration, under `habits`.

    Attributes:
        name: `clean`: ours. `paper`: with the habits behind the published numbers, counts as in
            the paper's Table 2. `released`: counts as the released code really had.
        rmse_batch_size: also give the mean of the RMSE of so many windows at a time; None: no.
        own_statistics: networks get the scored split normalized by its own statistics, and
            their forecasts are brought back by these, in place of those of training.

    Raises:
        ValueError: if there is no such protocol, a clean one has a habit, or the size is not
            positive.
    """

    name: Literal["clean", "paper", "released"] = "clean"
    rmse_batch_size: int | None = None
    own_statistics: bool = False

    def __post_init__(self) -> None:
        """Check the name and that a clean protocol is clean."""
        if self.name not in PROTOCOLS:
            raise ValueError(f"protocol is {self.name!r}; expected one of: {', '.join(PROTOCOLS)}")
        if self.is_clean and (self.own_statistics or self.rmse_batch_size is not None):
            raise ValueError(
                "protocol clean has own_statistics or rmse_batch_size; expected neither, or "
                "protocol=paper"
            )
        if self.rmse_batch_size is not None and self.rmse_batch_size < 1:
            raise ValueError(f"rmse_batch_size is {self.rmse_batch_size}; expected at least 1")

    @property
    def is_clean(self) -> bool:
        """True for the terms that numbers are stated on unless said otherwise."""
        return self.name == "clean"
