"""SSIM of weather fields against `torchmetrics`, to the same numbers."""

import pytest
import torch
from torchmetrics.functional.image import structural_similarity_index_measure

from met2net.verification.image_quality import structural_similarity
from tests.benchmarks.training_steps import quickest

pytestmark = pytest.mark.bench


def test_ssim_is_faster_than_a_convolution_with_121_taps(record_ratio) -> None:
    generator = torch.Generator().manual_seed(0)
    first, second = torch.rand(2, 240, 32, 64, dtype=torch.float64, generator=generator)
    ours, theirs = quickest(
        [
            lambda: structural_similarity(first, second),
            lambda: structural_similarity_index_measure(
                first[:, None], second[:, None], data_range=1.0, reduction="none"
            ),
        ],
        repeats=3,
    )
    record_ratio("SSIM, 32 x 64 points: torchmetrics / ours", theirs / ours, bound=">= 5")
    assert theirs / ours >= 5
