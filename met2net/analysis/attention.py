"""Attention between variables: average, spread and change with the season.

Every function takes maps with a row a variable that gathers (predicted) and a column a variable
that it looks at, as arrays `attention(sample, block, head, variable, variable_2)`.
"""

import numpy as np
import xarray as xr
from jaxtyping import Float
from torch import Tensor

from met2net.data.seasons import SEASONS, season_of

__all__ = ["attention_array", "mean_attention", "seasonal_attention"]

_DIMS = ("sample", "block", "head", "variable", "variable_2")
_TOLERANCE = 1e-3  # of a row's sum; half precision keeps about three digits


def attention_array(
    maps: Float[Tensor, "block sample head v v"],
    *,
    variables: list[str],
    init_time: np.ndarray,
) -> xr.DataArray:
    """Name the axes of a network's attention maps.

    Args:
        maps: of all samples, as a network's `attention_maps` gives them.
        variables: names, in the order of the maps.
        init_time: of the samples, datetime64.

    Raises:
        ValueError: if sizes do not fit, a weight is negative or not finite, or a row does not
            sum to 1.
    """
    num_blocks, num_samples, num_heads, num_variables, _ = maps.shape
    if (num_variables, num_samples) != (len(variables), len(init_time)):
        raise ValueError(
            f"maps are of {num_samples} samples and {num_variables} variables; expected "
            f"{len(init_time)} and {len(variables)}"
        )
    values = np.moveaxis(maps.double().cpu().numpy(), 1, 0)
    if not (values >= 0).all():  # also where a weight is NaN
        raise ValueError("attention has a weight that is negative or not finite; expected none")
    wrong = float(np.abs(values.sum(axis=-1) - 1).max(initial=0.0))
    if wrong > _TOLERANCE:
        raise ValueError(f"a row of attention differs from sum 1 by {wrong:.3g}")
    return xr.DataArray(
        values,
        dims=_DIMS,
        coords={
            "init_time": ("sample", init_time.astype("datetime64[ns]")),
            "block": np.arange(num_blocks),
            "head": np.arange(num_heads),
            "variable": variables,
            "variable_2": variables,
        },
        attrs={"units": "1", "long_name": "attention weight"},
    )


def mean_attention(attention: xr.DataArray) -> xr.Dataset:
    """Average over samples, heads and blocks, and say how much they differ.

    Returns:
        `by_head(block, head, ...)`, the mean over samples; `by_block(block, ...)`, also over
        heads; `mean(...)`, over everything, the paper's Figure 8; and three standard
        deviations, each of means over the other two axes: `std_over_samples`,
        `std_over_heads` (of heads within their block), `std_over_blocks`. Source of the
        figure: Li et al. 2025, arXiv:2507.17189.
    """
    by_head = attention.mean("sample")
    by_block = by_head.mean("head")
    within = (by_head - by_block) ** 2
    return xr.Dataset(
        {
            "by_head": by_head,
            "by_block": by_block,
            "mean": by_block.mean("block"),
            "std_over_samples": attention.mean(("block", "head")).std("sample"),
            "std_over_heads": np.sqrt(within.mean(("block", "head"))),
            "std_over_blocks": by_block.std("block"),
        }
    )


def seasonal_attention(attention: xr.DataArray) -> xr.Dataset:
    """Average over the samples of each season, and take the change from the whole.

    Returns:
        `mean(season, variable, variable_2)` over samples, blocks and heads, NaN in a season
        without samples; `change`, the same less the mean of the seasons that have samples,
        each counted once; `count(season)`. Rows of `mean` sum to 1, those of `change` to 0.
    """
    of_sample = attention.mean(("block", "head"))
    season = season_of(attention["init_time"].values)
    counts = np.bincount(season, minlength=len(SEASONS)).tolist()
    means = [
        of_sample.isel(sample=season == place).mean("sample")
        if count
        else xr.full_like(of_sample.isel(sample=0, drop=True), np.nan)
        for place, count in enumerate(counts)
    ]
    mean = xr.concat(means, dim=xr.DataArray(list(SEASONS), dims="season", name="season"))
    # A season without samples is left out on purpose, not a missing value.
    with_samples = mean.isel(season=np.asarray(counts) > 0).mean("season")
    return xr.Dataset({"mean": mean, "change": mean - with_samples, "count": ("season", counts)})
