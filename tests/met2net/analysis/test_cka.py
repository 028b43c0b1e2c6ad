from itertools import combinations

import numpy as np
import pytest
import torch

from met2net.analysis.cka import CkaAccumulator, cka_matrix, unbiased_hsic


def _random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _song(x, y):
    """Unbiased HSIC as Song et al. write it, with linear kernels."""
    n = len(x)
    k, m = x @ x.T, y @ y.T
    np.fill_diagonal(k, 0.0)
    np.fill_diagonal(m, 0.0)
    one = np.ones(n)
    return (
        np.trace(k @ m)
        + (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
        - 2 / (n - 2) * (one @ k @ m @ one)
    ) / (n * (n - 3))


def test_hsic_equals_the_formula_of_song():
    representations = _random(9, 3, 5) + 2.0
    x = representations.double().numpy()
    expected = [[_song(x[:, i], x[:, j]) for j in range(3)] for i in range(3)]
    np.testing.assert_allclose(unbiased_hsic(representations), expected, rtol=1e-10)


def test_cka_with_itself_is_one():
    cka = cka_matrix(_random(8, 3, 6))
    np.testing.assert_allclose(np.diagonal(cka), 1.0, rtol=1e-14)
    np.testing.assert_array_equal(cka, cka.T)


def test_rotation_scale_and_shift_change_nothing():
    x, y = _random(12, 5), _random(12, 5, seed=1)
    y = x + 0.5 * y
    rotation, _ = torch.linalg.qr(_random(5, 5, seed=2).double())
    moved = (7.0 * x.double() @ rotation + 3.0).float()
    before = cka_matrix(torch.stack([x, y], dim=1))[0, 1]
    after = cka_matrix(torch.stack([moved, y], dim=1))[0, 1]
    assert 0.3 < before < 1.0
    assert after == pytest.approx(before, rel=1e-5)  # the moved copy is float32
    assert cka_matrix(torch.stack([x, moved], dim=1))[0, 1] == pytest.approx(1.0, rel=1e-6)


def test_a_large_common_shift_loses_no_digits():
    x, y = _random(12, 5).double(), _random(12, 5, seed=1).double()
    near = cka_matrix(torch.stack([x, x + y], dim=1))
    far = cka_matrix(torch.stack([x, x + y], dim=1) + 1e6)
    np.testing.assert_allclose(far, near, rtol=1e-8)


def test_independent_representations_are_near_zero_on_average():
    accumulator = CkaAccumulator()
    for seed in range(60):
        accumulator.add(_random(16, 2, 8, seed=seed))
    # One batch estimates 0 with a spread of about 0.1; 60 of them with about 0.015.
    assert abs(accumulator.finish()[0, 1]) < 0.05


def test_batches_are_averaged_before_the_ratio():
    first, second = _random(8, 2, 4), 3.0 * _random(8, 2, 4, seed=1)
    accumulator = CkaAccumulator()
    accumulator.add(first)
    accumulator.add(second)
    hsic = unbiased_hsic(first) + unbiased_hsic(second)
    expected = hsic[0, 1] / np.sqrt(hsic[0, 0] * hsic[1, 1])
    assert accumulator.finish()[0, 1] == pytest.approx(expected, rel=1e-14)


def test_a_constant_representation_has_no_cka():
    representations = _random(8, 3, 4)
    representations[:, 1] = 0.1
    cka = cka_matrix(representations)
    assert np.isnan(cka[1]).all() and np.isnan(cka[:, 1]).all()
    assert np.isfinite(cka[0, 2])


def test_wrong_batches_are_refused():
    with pytest.raises(ValueError, match="3 samples; expected at least 4"):
        cka_matrix(_random(3, 2, 4))
    accumulator = CkaAccumulator()
    with pytest.raises(ValueError, match="no batch was added"):
        accumulator.finish()
    accumulator.add(_random(4, 2, 4))
    with pytest.raises(ValueError, match="3 representations; expected 2"):
        accumulator.add(_random(4, 3, 4))


def test_minibatches_give_the_full_batch_in_expectation():
    # The unbiased estimator is a U-statistic of order 4: its mean over all batches of any size
    # from 4 is the estimate of the whole, exactly.
    representations = _random(8, 3, 5) + _random(8, 1, 5, seed=1)
    whole = unbiased_hsic(representations)
    for size in (4, 5, 7):
        subsets = [list(rows) for rows in combinations(range(8), size)]
        mean = np.mean([unbiased_hsic(representations[rows]) for rows in subsets], axis=0)
        np.testing.assert_allclose(mean, whole, rtol=1e-9)
        accumulator = CkaAccumulator()
        for rows in subsets:
            accumulator.add(representations[rows])
        np.testing.assert_allclose(accumulator.finish(), cka_matrix(representations), rtol=1e-9)


def test_random_batches_come_near_the_full_batch():
    shared = _random(256, 1, 6)
    representations = shared + _random(256, 3, 6, seed=1)
    accumulator = CkaAccumulator()
    for rows in torch.randperm(256, generator=torch.Generator().manual_seed(2)).split(16):
        accumulator.add(representations[rows])
    # 16 batches of 16: a spread of about 0.02, while the biased estimator would be 0.2 off.
    np.testing.assert_allclose(accumulator.finish(), cka_matrix(representations), atol=0.06)


def test_layers_of_different_width_are_compared_as_equal_ones_are():
    x = _random(9, 4, 6)
    accumulator = CkaAccumulator()
    accumulator.add_layers(list(x.unbind(dim=1)))
    np.testing.assert_allclose(accumulator.finish(), cka_matrix(x), rtol=1e-12)
    # Empty features change nothing; a layer beside its double width copy is the same layer.
    wide = CkaAccumulator()
    wide.add_layers([x[:, 0], torch.cat([x[:, 0], torch.zeros(9, 7)], dim=1), x[:, 0].repeat(1, 2)])
    np.testing.assert_allclose(wide.finish(), 1.0)


def test_layers_of_different_samples_are_refused():
    accumulator = CkaAccumulator()
    with pytest.raises(ValueError, match=r"\[5, 6\] samples; expected one number"):
        accumulator.add_layers([_random(5, 2), _random(6, 2)])
    with pytest.raises(ValueError, match="no samples"):
        accumulator.add_layers([])
    with pytest.raises(ValueError, match="3 samples; expected at least 4"):
        accumulator.add_layers([_random(3, 2)])
