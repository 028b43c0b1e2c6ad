"""One mask a channel: what is filled, what is left blank, and what is no mask."""

import numpy as np
import pytest
import torch

from met2net.data.training_statistics import difference_moments, hourly_moments, merge_statistics
from met2net.data.valid_points import ValidPoints

MASK = np.array([[[True, True, True]], [[True, False, True]]])


def test_where_every_point_has_a_value_there_is_no_mask():
    assert ValidPoints.of(np.ones((2, 1, 3), bool)) is None
    found = ValidPoints.of(MASK)
    assert found is not None
    assert found.masked(["t2m", "sst"]) == ("sst",)
    assert found.counts.tolist() == [3, 2]
    with pytest.raises(ValueError, match="channel 1 has a value at none of 3 points"):
        ValidPoints.of(np.array([[[True] * 3], [[False] * 3]]))


def test_masks_are_written_as_bits_and_read_again():
    channels = ("t2m", "sst")
    packed = ValidPoints(MASK).packed(channels)
    assert packed == {"sst": "oA=="}  # the byte 1010 0000
    found = ValidPoints.unpacked(packed, channels=channels, shape=(1, 3))
    np.testing.assert_array_equal(found.mask, MASK)
    assert ValidPoints.unpacked({}, channels=channels, shape=(1, 3)) is None
    with pytest.raises(ValueError, match="mask of sst has 1 bytes; expected 2, a bit for each of"):
        ValidPoints.unpacked(packed, channels=channels, shape=(3, 3))


def test_filled_is_zero_and_blank_is_no_number():
    valid = ValidPoints(MASK)
    fields = np.full((4, 2, 1, 3), 7.0, np.float32)
    blank = valid.blanked(fields)
    assert blank.dtype == np.float32 and np.isnan(blank).sum() == 4
    assert (fields == 7).all()
    torch.testing.assert_close(
        valid.filled(torch.from_numpy(blank)), torch.from_numpy(np.where(MASK, fields, 0))
    )
    valid.fill(blank)
    np.testing.assert_array_equal(blank, np.where(MASK, fields, 0))


def test_moments_are_those_of_numpy_s_masked_arrays_and_other_masks_are_counted():
    fields = np.random.default_rng(0).normal(size=(50, 3, 4))
    mask = np.random.default_rng(1).random((3, 4)) > 0.4
    holed = np.where(mask, fields, np.nan)
    masked = np.ma.masked_array(fields, np.broadcast_to(~mask, fields.shape))
    moments = hourly_moments(holed, valid=mask)
    for place, name in enumerate(("mean", "var", "min", "max")):
        np.testing.assert_allclose(
            moments[:, place], getattr(masked, name)(axis=(1, 2)), rtol=1e-12, atol=1e-14
        )
    assert (moments[:, 4] == 0).all()
    change = masked[6:] - masked[:-6]
    differences = difference_moments(holed[6:], holed[:-6], valid=mask)
    np.testing.assert_allclose(differences[:, 1], change.var(axis=(1, 2)), rtol=1e-12)
    times = np.arange("2020-01-01T00", "2020-01-03T02", dtype="datetime64[h]")
    kwargs = {"times": times, "in_train": times > times[0], "channels": ("sst",)}
    found = merge_statistics(moments[:, None], differences[:, None], **kwargs, masked=("sst",))
    np.testing.assert_allclose(found.std, masked[1:].std(), rtol=1e-12)
    holed[7, mask] = np.where(np.arange(mask.sum()) < 2, np.nan, holed[7, mask])
    holed[7, ~mask] = np.where(np.arange((~mask).sum()) < 1, 3.0, np.nan)
    moved = hourly_moments(holed, valid=mask)[:, None]
    with pytest.raises(
        ValueError, match="sst has a value at other points at 2020-01-01T07 .* 3 points differ"
    ):
        merge_statistics(moved, differences[:, None], **kwargs, masked=("sst",))


def test_channels_with_the_same_points_are_together() -> None:
    land = np.array([[True, False], [True, True]])
    everywhere = np.ones((2, 2), dtype=bool)
    groups = ValidPoints(np.stack([everywhere, land, everywhere])).groups()
    found = {tuple(channels.tolist()): points.tolist() for channels, points in groups}
    assert found == {(0, 2): everywhere.tolist(), (1,): land.tolist()}
