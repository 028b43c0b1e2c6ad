import numpy as np
import pytest
import torch

from met2net.analysis.attention import (
    attention_array,
    mean_attention,
    seasonal_attention,
)
from met2net.data.seasons import SEASONS, season_of
from tests.met2net.models.model_builders import make_batch, make_met2net, randomize

MONTHLY = np.arange("2023-01", "2024-01", dtype="datetime64[M]").astype("datetime64[h]")


def make_maps(samples=12, *, seed=0) -> torch.Tensor:
    scores = torch.randn(2, samples, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    return scores.softmax(dim=-1)


def make_array(maps=None, times=MONTHLY):
    maps = make_maps(len(times)) if maps is None else maps
    return attention_array(maps, variables=["a", "b", "c", "d"][: maps.shape[-1]], init_time=times)


def two_by_two(diagonal: torch.Tensor) -> torch.Tensor:
    """Maps (block sample head 2 2) with the given weight of a variable on itself."""
    rest = 1 - diagonal
    return torch.stack([torch.stack([diagonal, rest], -1), torch.stack([rest, diagonal], -1)], -2)


def test_axes_keep_their_meaning():
    maps = make_maps(3)
    array = make_array(maps, MONTHLY[:3])
    assert array.dims == ("sample", "block", "head", "variable", "variable_2")
    assert float(array[2, 1, 0, 3, 1]) == pytest.approx(float(maps[1, 2, 0, 3, 1]))
    np.testing.assert_array_equal(array["init_time"].values, MONTHLY[:3])


def test_means_and_spreads_by_hand():
    # block x sample x head
    own = torch.tensor([[[0.1, 0.3], [0.5, 0.7]], [[0.2, 0.2], [0.4, 0.4]]])
    means = mean_attention(make_array(two_by_two(own), MONTHLY[:2]))
    at = {"variable": 0, "variable_2": 0}
    np.testing.assert_allclose(means["by_head"][:, :, 0, 0], [[0.3, 0.5], [0.3, 0.3]], rtol=1e-6)
    np.testing.assert_allclose(means["by_block"][:, 0, 0], [0.4, 0.3], rtol=1e-6)
    assert float(means["mean"].isel(at)) == pytest.approx(0.35)
    # Samples: 0.2 and 0.5; heads stand 0.1, 0.1, 0, 0 from their block; blocks: 0.4 and 0.3.
    assert float(means["std_over_samples"].isel(at)) == pytest.approx(0.15)
    assert float(means["std_over_heads"].isel(at)) == pytest.approx(np.sqrt(0.005))
    assert float(means["std_over_blocks"].isel(at)) == pytest.approx(0.05)


def test_rows_of_every_mean_sum_to_one_and_those_of_a_change_to_zero():
    array = make_array()
    means, seasons = mean_attention(array), seasonal_attention(array)
    for values in (means["by_head"], means["by_block"], means["mean"], seasons["mean"]):
        np.testing.assert_allclose(values.sum("variable_2"), 1, rtol=1e-6)
    np.testing.assert_allclose(seasons["change"].sum("variable_2"), 0, atol=1e-6)


def test_months_have_the_usual_seasons():
    assert season_of(MONTHLY).tolist() == [0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 0]
    ends = np.array(["1969-12-31T23", "2024-02-29"], "datetime64[h]")
    assert [SEASONS[place] for place in season_of(ends)] == ["DJF", "DJF"]


def test_a_change_with_the_season_is_found():
    own = torch.full((1, 12, 1), 0.5)
    own[:, 5:8] = 0.8  # June to August
    seasons = seasonal_attention(make_array(two_by_two(own)))
    assert seasons["season"].values.tolist() == list(SEASONS)
    assert seasons["count"].values.tolist() == [3, 3, 3, 3]
    np.testing.assert_allclose(seasons["mean"][:, 0, 0], [0.5, 0.5, 0.8, 0.5], rtol=1e-6)
    np.testing.assert_allclose(
        seasons["change"][:, 0, 0], [-0.075] * 2 + [0.225, -0.075], rtol=1e-5
    )


def test_many_samples_of_one_season_do_not_weigh_more():
    times = np.concatenate([MONTHLY[[0]], np.repeat(MONTHLY[[6]], 3)])
    own = torch.tensor([0.2, 0.6, 0.6, 0.6]).reshape(1, 4, 1)
    seasons = seasonal_attention(make_array(two_by_two(own), times))
    change = seasons["change"][:, 0, 0].values
    assert change[0] == pytest.approx(-0.2) and change[2] == pytest.approx(0.2)
    assert np.isnan(change[[1, 3]]).all()
    assert seasons["count"].values.tolist() == [1, 0, 3, 0]


def test_maps_of_a_network_are_accepted():
    network = randomize(make_met2net())
    inputs, _ = make_batch(batch=3)
    maps = network.attention_maps(inputs)
    array = attention_array(maps, variables=list(network.variables), init_time=MONTHLY[:3])
    np.testing.assert_allclose(array.sum("variable_2"), 1, rtol=1e-5)


def test_wrong_maps_are_refused():
    maps = make_maps(12)
    with pytest.raises(ValueError, match="12 samples and 4 variables; expected 11 and 4"):
        make_array(maps, MONTHLY[:11])
    with pytest.raises(ValueError, match="differs from sum 1 by 0.5"):
        make_array(maps * 1.5)
    with pytest.raises(ValueError, match="negative or not finite"):
        make_array(torch.where(maps > 0.5, torch.nan, maps))
    with pytest.raises(ValueError, match="negative or not finite"):
        make_array(two_by_two(torch.full((1, 12, 1), 1.2)))
