"""Means over samples, however those came in batches and on whichever device."""

from collections.abc import Mapping

import torch
from torch import Tensor

from met2net.training.devices import sum_over_devices

__all__ = ["SampleMeans"]


class SampleMeans:
    """Adds up values of batches, each weighted with its number of samples.

    Sums are in double precision and stay on the values' device, so that adding never waits
    for it.
    """

    def __init__(self) -> None:
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, values: Mapping[str, Tensor], *, num_samples: int) -> None:
        """Add the means of one batch."""
        for name, value in values.items():
            total = value.detach().double() * num_samples
            if name in self._sums:  # on the CPU, if it comes from a saved state
                total += self._sums[name].to(total.device)
            self._sums[name] = total
            self._counts[name] = self._counts.get(name, 0) + num_samples

    def means(self, device: torch.device) -> dict[str, Tensor]:
        """Give the means over the samples of all devices, which have added the same names."""
        total = self._totals(device)
        return {name: total[i, 0] / total[i, 1] for i, name in enumerate(self._sums)}

    def clear(self) -> None:
        """Start anew."""
        self._sums, self._counts = {}, {}

    def state(self, device: torch.device) -> dict[str, list[float]]:
        """Give (sum, number of samples) of all devices, to be continued by the first of them."""
        total = self._totals(device).tolist()
        return dict(zip(self._sums, total, strict=True))

    def continue_from(self, state: Mapping[str, list[float]]) -> None:
        """Take up what `state` gave."""
        self._sums = {k: torch.tensor(s, dtype=torch.float64) for k, (s, _) in state.items()}
        self._counts = {name: int(count) for name, (_, count) in state.items()}

    def _totals(self, device: torch.device) -> Tensor:
        """Give a row of sum and number of samples a name."""
        rows = [
            torch.stack([total.to(device), total.new_tensor(self._counts[name]).to(device)])
            for name, total in self._sums.items()
        ]
        table = torch.stack(rows) if rows else torch.zeros(0, 2, device=device).double()
        sum_over_devices([table])
        return table
