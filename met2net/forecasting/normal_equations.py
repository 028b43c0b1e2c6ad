"""Least squares from sums: what a linear regression keeps of any number of samples."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int64
from torch import Tensor

from met2net.data.valid_points import ValidPoints

__all__ = ["NormalEquations", "NormalSums", "SampleGroup", "sample_groups"]


@dataclass(frozen=True, eq=False)
class SampleGroup:
    """Predicted numbers that have the same samples.

    Attributes:
        predicted: their places; None: all there are.
        points: True for points that are samples, (latitude, longitude); None: whatever is given.
    """

    predicted: Int64[np.ndarray, " k"] | None = None
    points: Bool[np.ndarray, "h w"] | None = None

    def samples(
        self, x: Float64[Tensor, "n p"], y: Float64[Tensor, "n q"], *, rows: slice
    ) -> tuple[Float64[Tensor, "n2 p"], Float64[Tensor, "n2 k"]]:
        """Choose from the samples of some latitudes, window after window."""
        if self.points is None or self.predicted is None:
            return x, y
        of_window = torch.from_numpy(self.points[rows].reshape(-1))
        chosen = of_window.repeat(len(x) // len(of_window))
        return x[chosen], y[chosen][:, torch.from_numpy(self.predicted)]


def sample_groups(valid: ValidPoints | None, *, num_leads: int) -> tuple[SampleGroup, ...]:
    """Part predicted numbers (lead time, channel) of a point by the points that are samples.

    Channels with values at the same points are together; without a mask all are.
    """
    if valid is None:
        return (SampleGroup(),)
    of_lead = len(valid.mask) * np.arange(num_leads)
    return tuple(
        SampleGroup((of_lead[:, None] + channels).reshape(-1), points)
        for channels, points in valid.groups()
    )


@dataclass(frozen=True, eq=False)
class NormalSums:
    """Sums over samples of predictors x predictors, predictors x predicted, predicted squared."""

    predictors: Float64[np.ndarray, "p p"]
    products: Float64[np.ndarray, "p q"]
    energy: Float64[np.ndarray, " q"]
    num_samples: int

    @classmethod
    def together(cls, some: Sequence["NormalSums"]) -> "NormalSums":
        """Add the sums of several."""
        if len(some) == 1:
            return some[0]
        return cls(
            np.sum([one.predictors for one in some], axis=0),
            np.sum([one.products for one in some], axis=0),
            np.sum([one.energy for one in some], axis=0),
            sum(one.num_samples for one in some),
        )

    def solve(
        self, regularization: float, *, towards: Float64[np.ndarray, "p q"] | None = None
    ) -> Float64[np.ndarray, "p q"]:
        """Minimize squared error + samples * regularization * squared weights.

        Args:
            regularization: of the weights, or of their distance from others.
            towards: those others; with an infinite regularization they are the solution.
        """
        if towards is not None and (math.isinf(regularization) or self.num_samples == 0):
            return towards
        penalty = self.num_samples * regularization
        aim = self.products if towards is None else self.products + penalty * towards
        system = self.predictors + penalty * np.eye(len(self.predictors))
        weights: np.ndarray = np.linalg.solve(system, aim)
        return weights

    def squared_error(self, weights: Float64[np.ndarray, "p q"]) -> Float64[np.ndarray, " q"]:
        """Give the squared error of every predicted number on these samples, from the sums."""
        fitted = np.sum(weights * (self.predictors @ weights), axis=0)
        error: np.ndarray = self.energy - 2 * np.sum(weights * self.products, axis=0) + fitted
        return error


@dataclass(frozen=True, eq=False)
class NormalEquations:
    """Sums of all groups of predicted numbers.

    Attributes:
        groups: together all predicted numbers, each once.
        sums: of each group.
    """

    groups: tuple[SampleGroup, ...]
    sums: tuple[NormalSums, ...]

    @classmethod
    def together(cls, some: Sequence["NormalEquations"]) -> "NormalEquations":
        """Add the sums of several."""
        by_group = zip(*(one.sums for one in some), strict=True)
        return cls(some[0].groups, tuple(map(NormalSums.together, by_group)))

    @property
    def counts(self) -> Int64[np.ndarray, " q"]:
        """Number of samples of every predicted number."""
        return self._joined([np.full(len(one.energy), one.num_samples) for one in self.sums])

    def solve(
        self, regularization: float, *, towards: Float64[np.ndarray, "p q"] | None = None
    ) -> Float64[np.ndarray, "p q"]:
        """Minimize as `NormalSums.solve`, every group by itself."""
        return self._joined(
            [
                one.solve(regularization, towards=None if towards is None else _of(group, towards))
                for group, one in zip(self.groups, self.sums, strict=True)
            ]
        )

    def multiples(
        self, sources: Int64[np.ndarray, " q"], *, alike: Int64[np.ndarray, " q"]
    ) -> Float64[np.ndarray, "p q"]:
        """Fit every predicted number as a multiple of one predictor, and give the weights.

        Of a predictor that is always 0, as a point without a value, the multiple is 0.

        Args:
            sources: place of that predictor.
            alike: numbers with the same mark share their multiple.
        """
        places = [np.arange(len(sources)) if g.predicted is None else g.predicted
                  for g in self.groups]  # fmt: skip
        pairs = list(zip(self.sums, places, strict=True))
        products = self._joined(
            [one.products[sources[place], np.arange(len(place))] for one, place in pairs]
        )
        energy = self._joined([np.diag(one.predictors)[sources[place]] for one, place in pairs])
        of_mark = np.bincount(alike, products), np.bincount(alike, energy)
        slope = np.divide(*of_mark, out=np.zeros_like(of_mark[0]), where=of_mark[1] > 0)
        weights = np.zeros((len(self.sums[0].predictors), len(sources)))
        weights[sources, np.arange(len(sources))] = np.where(energy > 0, slope[alike], 0.0)
        return weights

    def squared_error(self, weights: Float64[np.ndarray, "p q"]) -> Float64[np.ndarray, " q"]:
        """Give the squared error of every predicted number on its samples."""
        return self._joined(
            [
                one.squared_error(_of(group, weights))
                for group, one in zip(self.groups, self.sums, strict=True)
            ]
        )

    def _joined(self, parts: Sequence[np.ndarray]) -> np.ndarray:
        """Put what the groups have of predicted numbers, the last axis, in order."""
        if len(parts) == 1:
            return parts[0]
        places = np.concatenate([group.predicted for group in self.groups])
        joined: np.ndarray = np.concatenate(parts, axis=-1)[..., np.argsort(places)]
        return joined


def _of(group: SampleGroup, weights: np.ndarray) -> np.ndarray:
    """Choose a group's weights."""
    return weights if group.predicted is None else weights[:, group.predicted]
