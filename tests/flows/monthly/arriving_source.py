"""Made-up weather that arrives month by month, with a month that is not what it should be."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import xarray as xr

from pipelines.sources.source import MonthRequest, RawMonth
from tests.builders import FakeSource

__all__ = ["ArrivingSource"]


@dataclass(frozen=True)
class ArrivingSource(FakeSource):
    """The made-up weather; every fetch leaves a file, so that what was asked for is known.

    Attributes:
        noisy: month whose fields are covered with noise that stays in the range of weather.
        impossible: month whose fields no weather on Earth can have.
        folder: not used; it lets this source stand where a configuration has files.
    """

    noisy: str | None = None
    impossible: str | None = None
    folder: str = ""

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        raw = super().fetch(request, raw_folder)
        size = {self.noisy: 8.0, self.impossible: 80.0}.get(str(request.month))
        return raw if size is None else replace(raw, dataset=_covered(raw.dataset, size))


def _covered(dataset: xr.Dataset, size: float) -> xr.Dataset:
    """Add noise to every field."""
    rng = np.random.default_rng(0)
    return dataset.map(
        lambda field: field + (size * rng.normal(size=field.shape)).astype(np.float32),
        keep_attrs=True,
    )
