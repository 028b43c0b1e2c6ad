import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from met2net.verification.structural_similarity import structural_similarity


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
