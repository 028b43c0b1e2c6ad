import numpy as np
import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from met2net.verification.image_quality import compute_image_quality, structural_similarity

RANGE = np.array([[-1.0, -3.0], [1.0, 5.0]])  # 2 and 8 wide


def _fields(size, *, samples=3):
    generator = torch.Generator().manual_seed(0)
    observation = torch.randn(samples, 2, 2, size, size, generator=generator)
    return observation + 0.3 * torch.randn(observation.shape, generator=generator), observation


def test_psnr_by_hand():
    # Errors of 0.2 in a range of 2: 10 log10(4 / 0.04) = 20 dB; in a range of 8: 32.04 dB.
    observation = torch.zeros(3, 1, 2, 4, 5)
    found = compute_image_quality(observation + 0.2, observation, value_range=RANGE).means()
    expected = [[20.0, 10 * np.log10(64 / 0.04)]]
    np.testing.assert_allclose(found["psnr"], expected, rtol=1e-6)
    assert np.isnan(found["ssim"]).all()  # 4 x 5 points hold no window


def test_ssim_by_the_formula():
    forecast, observation = (x.double() for x in _fields(12, samples=1))
    found = compute_image_quality(forecast, observation, value_range=RANGE).ssim
    x = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(x, x) / np.outer(x, x).sum()

    def blurred(field):
        mirrored = np.pad(field, 5, mode="reflect")
        return np.array(
            [[(window * mirrored[i : i + 11, j : j + 11]).sum() for j in range(12)]
             for i in range(12)]
        )  # fmt: skip

    for c, (low, high) in enumerate(RANGE.T):
        f, o = (a[0, 1, c].numpy() - low for a in (forecast, observation))
        span = high - low
        mf, mo = blurred(f), blurred(o)
        vf, vo, cov = blurred(f**2) - mf**2, blurred(o**2) - mo**2, blurred(f * o) - mf * mo
        c1, c2 = (0.01 * span) ** 2, (0.03 * span) ** 2
        similarity = (2 * mf * mo + c1) * (2 * cov + c2)
        similarity /= (mf**2 + mo**2 + c1) * (vf + vo + c2)
        assert found[1, c] == pytest.approx(similarity.mean(), rel=1e-10)


def test_ssim_is_that_of_values_from_0_to_1_whatever_is_taken_off_before():
    # Fields near zero and the same fields as pressure; the range goes with them.
    forecast, observation = (x.double() for x in _fields(12))
    shift = np.array([101_325.0, 5.0])
    moved = [x + torch.from_numpy(shift)[:, None, None] for x in (forecast, observation)]
    found = compute_image_quality(forecast, observation, value_range=RANGE).ssim
    same = compute_image_quality(*moved, value_range=RANGE + shift).ssim
    np.testing.assert_allclose(same, found, rtol=1e-6)


def test_a_perfect_field_has_ssim_1_and_infinite_psnr():
    _, observation = _fields(16)
    found = compute_image_quality(observation, observation, value_range=RANGE).means()
    np.testing.assert_allclose(found["ssim"], 1.0, rtol=1e-12)
    assert np.isposinf(found["psnr"]).all()


def test_batches_add_up():
    forecast, observation = _fields(12, samples=5)
    whole = compute_image_quality(forecast, observation, value_range=RANGE).means()
    first, rest = (
        compute_image_quality(forecast[part], observation[part], value_range=RANGE)
        for part in (slice(2), slice(2, None))
    )
    for name, values in (first + rest).means().items():
        np.testing.assert_allclose(values, whole[name], rtol=1e-12)


def test_a_range_of_nothing_is_refused():
    forecast, observation = _fields(4)
    empty = np.array([[1.0, 0.0], [1.0, 1.0]])
    with pytest.raises(ValueError, match=r"value ranges are \[1.0, 0.0\] to \[1.0, 1.0\]"):
        compute_image_quality(forecast, observation, value_range=empty)


@pytest.mark.parametrize("shape", [(11, 11), (16, 32), (33, 12)])
def test_it_is_that_of_torchmetrics(shape):
    generator = torch.Generator().manual_seed(0)
    first = torch.rand(5, *shape, dtype=torch.float64, generator=generator)
    second = 0.7 * first + 0.3 * torch.rand(first.shape, dtype=torch.float64, generator=generator)
    expected = structural_similarity_index_measure(
        first[:, None], second[:, None], data_range=1.0, reduction="none"
    )
    torch.testing.assert_close(
        structural_similarity(first, second), expected, rtol=1e-10, atol=1e-12
    )


def test_equal_fields_are_alike_and_opposite_ones_are_not():
    fields = torch.rand(3, 16, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(
        structural_similarity(fields, fields), torch.ones(3, dtype=torch.float64)
    )
    assert (structural_similarity(fields, 1 - fields) < 0).all()


def test_fields_smaller_than_the_window_are_refused():
    fields = torch.zeros(1, 10, 40, dtype=torch.float64)
    with pytest.raises(ValueError, match="fields have 10 x 40 points; expected at least 11 each"):
        structural_similarity(fields, fields)
