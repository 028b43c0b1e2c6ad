import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from met2net.data.normalization import METHODS, Normalizer

NORMALIZER = Normalizer(("t2m", "msl"), (280.0, 101_000.0), (10.0, 500.0))


def test_normalizes_by_hand() -> None:
    fields = torch.tensor([290.0, 100_500.0])[:, None, None].expand(2, 2, 2)
    expected = torch.tensor([1.0, -1.0])[:, None, None].expand(2, 2, 2)
    torch.testing.assert_close(NORMALIZER.normalize(fields), expected)


@given(st.integers(0, 1000))
def test_denormalize_undoes_normalize(seed: int) -> None:
    fields = torch.randn(2, 3, 2, 4, 5, generator=torch.Generator().manual_seed(seed)).double()
    back = NORMALIZER.normalize(NORMALIZER.denormalize(fields))
    torch.testing.assert_close(back, fields, rtol=1e-9, atol=1e-9)


def test_builds_from_arrays() -> None:
    built = Normalizer.from_arrays(["t2m", "msl"], np.array([280.0, 101e3]), np.array([10.0, 500]))
    assert built == NORMALIZER


def test_each_method_takes_its_statistics() -> None:
    numbers = {"mean": np.array([1.0]), "std": np.array([2.0]), "minimum": np.array([-3.0]),
               "maximum": np.array([5.0])}  # fmt: skip
    by_method = {
        method: Normalizer.from_statistics(["t2m"], method=method, **numbers) for method in METHODS
    }
    assert by_method["mean_std"] == Normalizer(("t2m",), (1.0,), (2.0,))
    assert by_method["min_max"] == Normalizer(("t2m",), (-3.0,), (8.0,))
    assert by_method["none"] == Normalizer(("t2m",), (0.0,), (1.0,))
    ends = torch.tensor([-3.0, 5.0])[:, None, None, None]
    assert by_method["min_max"].normalize(ends).flatten().tolist() == [0.0, 1.0]
    with pytest.raises(ValueError, match="normalization is 'log'; expected one of: mean_std, min_"):
        Normalizer.from_statistics(["t2m"], method="log", **numbers)


@pytest.mark.parametrize(
    ("channels", "mean", "std", "message"),
    [
        (("t2m",), (1.0, 2.0), (1.0,), "1 channels, 2 means and 1 standard deviations"),
        (("t2m",), (float("nan"),), (1.0,), "mean of t2m is nan"),
        (("t2m",), (1.0,), (0.0,), "standard deviation of t2m is 0.0; expected a positive"),
        (("t2m",), (1.0,), (float("inf"),), "standard deviation of t2m is inf"),
    ],
)
def test_unusable_statistics_are_refused(
    channels: tuple[str, ...], mean: tuple[float, ...], std: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Normalizer(channels, mean, std)


def test_other_channel_counts_are_refused() -> None:
    with pytest.raises(ValueError, match="fields have 3 channels; expected 2: t2m, msl"):
        NORMALIZER.normalize(torch.zeros(3, 4, 4))
