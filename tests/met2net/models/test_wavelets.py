import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from met2net.models.blocks.wavelets import haar_bands, haar_merge


def test_one_axis_by_hand():
    low, high = haar_bands(torch.tensor([1.0, 3.0, 5.0, 5.0]), axes=(0,))
    torch.testing.assert_close(low, torch.tensor([4.0, 10.0]) / 2**0.5)
    torch.testing.assert_close(high, torch.tensor([-2.0, 0.0]) / 2**0.5)


def test_bands_stand_in_binary_order_of_their_axes():
    row = torch.tensor([1.0, -1.0])
    flat = torch.ones(2)
    for number in range(8):
        axes = [row if number >> (2 - i) & 1 else flat for i in range(3)]
        cube = axes[0][:, None, None] * axes[1][:, None] * axes[2]
        bands = torch.stack(haar_bands(cube, axes=(0, 1, 2))).flatten()
        expected = torch.zeros(8)
        expected[number] = 8**0.5  # all the energy of eight ones
        torch.testing.assert_close(bands, expected)


@given(shape=st.tuples(*[st.integers(1, 3)] * 3), seed=st.integers(0, 100), count=st.integers(1, 3))
@settings(max_examples=20, deadline=None)
def test_merging_gives_the_fields_back_and_energy_is_kept(shape, seed, count):
    fields = torch.randn(2, *(2 * n for n in shape), generator=torch.Generator().manual_seed(seed))
    axes = (-3, -2, -1)[:count]
    bands = haar_bands(fields, axes=axes)
    assert len(bands) == 2**count
    torch.testing.assert_close(haar_merge(bands, axes=axes), fields)
    energy = sum(band.square().sum() for band in bands)
    torch.testing.assert_close(energy, fields.square().sum())


def test_an_odd_axis_is_refused():
    with pytest.raises(ValueError, match="axis 1 has 3 points; expected an even number"):
        haar_bands(torch.zeros(2, 3), axes=(-1,))


def test_a_missing_band_is_refused():
    with pytest.raises(ValueError, match="found 3 bands; expected 4"):
        haar_merge([torch.zeros(1)] * 3, axes=(0, 0))
