"""Centered kernel alignment: how alike two representations of the same samples are.

Linear CKA with the unbiased estimator of HSIC, summed over mini-batches. It is 1 for equal
representations, does not change when one is rotated or scaled, and is near 0 for
independent ones (it can fall slightly below, as an unbiased estimate does).

Source: Kornblith et al. 2019, arXiv:1905.00414; mini-batches: Nguyen, Raghu and Kornblith
2021, arXiv:2010.15327, section 3; unbiased HSIC: Song et al. 2012, JMLR 13, eq. 5.
"""

from collections.abc import Sequence

import numpy as np
import torch
from einops import einsum, rearrange
from jaxtyping import Float, Float64
from torch import Tensor

__all__ = [
    "MIN_SAMPLES",
    "CkaAccumulator",
    "cka_matrix",
    "hsic_of_grams",
    "linear_grams",
    "unbiased_hsic",
]

MIN_SAMPLES = 4  # the unbiased estimator divides by n - 3


class CkaAccumulator:
    """Sum HSIC over batches, between all pairs of V representations."""

    def __init__(self) -> None:
        """Start empty."""
        self._hsic: np.ndarray | None = None

    def add(self, representations: Float[Tensor, "b v f"]) -> None:
        """Add one batch: V representations of the same samples, flattened to features.

        Raises:
            ValueError: if the batch has fewer than 4 samples, or another number of
                representations than the batches before.
        """
        self._add(unbiased_hsic(representations))

    def add_layers(self, layers: Sequence[Float[Tensor, "b _"]]) -> None:
        """Add one batch of representations with different numbers of features.

        They may be layers of one network, or of several that saw the same samples.

        Raises:
            ValueError: as `add`, or if there is none or the numbers of samples differ.
        """
        self._add(hsic_of_grams(linear_grams(layers)))

    def _add(self, hsic: Float64[np.ndarray, "v v"]) -> None:
        """Sum HSIC, not CKA: the ratio is taken once, at the end."""
        if self._hsic is not None and self._hsic.shape != hsic.shape:
            raise ValueError(
                f"batch has {len(hsic)} representations; expected {len(self._hsic)}, as before"
            )
        self._hsic = hsic if self._hsic is None else self._hsic + hsic

    def finish(self) -> Float64[np.ndarray, "v v"]:
        """Give CKA between all pairs: symmetric, 1 on the diagonal.

        The rows and columns of a representation that is the same for all samples are NaN:
        it has no variation to compare.

        Raises:
            ValueError: if no batch was added.
        """
        if self._hsic is None:
            raise ValueError("no batch was added; expected at least one")
        own = np.diagonal(self._hsic)
        scale = np.sqrt(own[:, None] * own[None, :])
        undefined = np.full_like(scale, np.nan)
        cka: Float64[np.ndarray, "v v"] = np.divide(
            self._hsic, scale, out=undefined, where=scale > 0
        )
        return cka


def cka_matrix(representations: Float[Tensor, "b v f"]) -> Float64[np.ndarray, "v v"]:
    """Compute CKA between all pairs of V representations of one batch.

    Raises:
        ValueError: if there are fewer than 4 samples.
    """
    accumulator = CkaAccumulator()
    accumulator.add(representations)
    return accumulator.finish()


def unbiased_hsic(representations: Float[Tensor, "b v f"]) -> Float64[np.ndarray, "v v"]:
    """Estimate HSIC between all pairs of V representations, with linear kernels.

    Raises:
        ValueError: if there are fewer than 4 samples.
    """
    return hsic_of_grams(linear_grams(representations.unbind(dim=1)))


def linear_grams(layers: Sequence[Float[Tensor, "b _"]]) -> Float64[Tensor, "v b b"]:
    """Give the Gram matrix of every representation, in double precision.

    Raises:
        ValueError: if there is no representation, or the numbers of samples differ.
    """
    sizes = sorted({len(layer) for layer in layers})
    if len(sizes) != 1:
        raise ValueError(f"representations have {sizes or 'no'} samples; expected one number")
    # HSIC does not see a shift of the features; without it the Gram matrix keeps its digits.
    grams = []
    for layer in layers:  # one after the other: copies in double precision are large
        rows = layer.double()
        rows = rows - rows.mean(dim=0)
        grams.append(rows @ rows.T)
    return torch.stack(grams)


def hsic_of_grams(gram: Float[Tensor, "v n n"]) -> Float64[np.ndarray, "v v"]:
    """Estimate HSIC between all pairs of V representations from their Gram matrices.

    The estimator of Song et al. is the mean product of U-centred Gram matrices:
    sum over i != j of A_ij B_ij / (n (n - 3)). Source: Szekely and Rizzo 2014,
    doi:10.1214/14-AOS1255, proposition 1.

    Raises:
        ValueError: if there are fewer than 4 samples.
    """
    num_samples = gram.shape[-1]
    if num_samples < MIN_SAMPLES:
        raise ValueError(f"batch has {num_samples} samples; expected at least {MIN_SAMPLES}")
    centred_gram = _u_centre(gram)
    hsic = einsum(centred_gram, centred_gram, "u i j, v i j -> u v")
    values: Float64[np.ndarray, "v v"] = (hsic / (num_samples * (num_samples - 3))).cpu().numpy()
    return values


def _u_centre(gram: Float[Tensor, "v n n"]) -> Float[Tensor, "v n n"]:
    """Centre Gram matrices so that rows without their diagonal have mean zero."""
    n = gram.shape[-1]
    off_diagonal = ~torch.eye(n, dtype=torch.bool, device=gram.device)
    gram = gram * off_diagonal
    row = gram.sum(dim=-1) / (n - 2)  # (V, n)
    total = rearrange(gram.sum(dim=(-1, -2)), "v -> v 1 1") / ((n - 1) * (n - 2))
    return (gram - row[:, :, None] - row[:, None, :] + total) * off_diagonal
