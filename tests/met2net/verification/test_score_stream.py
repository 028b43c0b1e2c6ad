"""What is summed of forecasts and observations; streams of them: test_scores.py."""

import numpy as np
import pytest
import torch

from met2net.verification.score_stream import Observations, compute_statistics
from tests.met2net.verification.test_statistics import assert_close, fields_of_noise

PLAIN = np.ones(2)


def test_sums_by_hand():
    # One window, lead, channel; two rows of one point, of area weight 0.5 and 1.5.
    forecast = torch.tensor([3.0, 1.0]).reshape(1, 1, 1, 2, 1)
    observation = torch.tensor([1.0, 2.0]).reshape(1, 1, 1, 2, 1)
    climatology = torch.tensor([1.0, 4.0]).reshape(1, 1, 1, 2, 1)
    s = compute_statistics(
        forecast, observation, climatology=climatology, latitude_weights=np.array([0.5, 1.5])
    )
    expected = {  # area, plain
        "weight": (2.0, 2.0),
        "error": (0.5 * 2 - 1.5 * 1, 1.0),
        "absolute_error": (0.5 * 2 + 1.5 * 1, 3.0),
        "squared_error": (0.5 * 4 + 1.5 * 1, 5.0),
        "observation": (0.5 * 1 + 1.5 * 2, 3.0),
        "squared_observation": (0.5 * 1 + 1.5 * 4, 5.0),
        "squared_forecast_anomaly": (0.5 * 4 + 1.5 * 9, 13.0),
        "squared_observed_anomaly": (1.5 * 4, 4.0),
        "anomaly_product": (1.5 * 6, 6.0),
        "observed_anomaly": (-1.5 * 2, -2.0),
        "product": (0.5 * 3 + 1.5 * 2, 5.0),
    }
    sums = {name: x for name, x in vars(s).items() if name != "own"}
    assert {name: tuple(x[:, 0, 0]) for name, x in sums.items()} == expected
    assert s.own == {}


def test_sums_by_init_time_and_region_add_to_those_of_all():
    f, o, c = fields_of_noise()
    weights = np.zeros((2, 2, 2, 4))
    weights[0], weights[1, :, 0] = 1.0, 1.0  # all points; the first row
    observations = Observations.of(o, climatology=c, weights=weights)
    s = observations.compare(f)
    assert s.error.shape == (6, 2, 2, 2, 3)  # init time, region, weighting, lead, channel
    whole = compute_statistics(f, o, climatology=c, latitude_weights=PLAIN)
    assert_close(s.summed().group(0), whole)
    row = compute_statistics(
        f[..., :1, :], o[..., :1, :], climatology=c[..., :1, :], latitude_weights=np.ones(1)
    )
    assert_close(s.summed().group(1), row)
    one = compute_statistics(f[3:4], o[3:4], climatology=c[3:4], latitude_weights=PLAIN)
    assert_close(s.group(3, 0), one)


def test_points_that_do_not_count_may_hold_anything():
    f, o, c = fields_of_noise()
    is_valid = torch.rand(o.shape, generator=torch.Generator().manual_seed(1)) > 0.3
    weights = np.ones((1, 2, 2, 4))
    holed = torch.where(is_valid, o, torch.nan)
    s = Observations.of(holed, climatology=c, weights=weights, is_valid=is_valid).compare(f)
    expected = torch.where(is_valid, (f.double() - o.double()).square(), 0.0)
    np.testing.assert_allclose(
        s.squared_error[:, 0, 0], expected.sum(dim=(-2, -1)).numpy(), rtol=1e-13
    )
    np.testing.assert_array_equal(s.weight[:, 0, 0], is_valid.sum(dim=(-2, -1)).numpy())
    with pytest.raises(ValueError, match="observation has .* not finite"):
        Observations.of(holed, climatology=c, weights=weights).compare(f)


def test_weights_must_have_mean_one():
    f, o, c = fields_of_noise()
    with pytest.raises(ValueError, match="mean 2.0; expected 1"):
        compute_statistics(f, o, climatology=c, latitude_weights=2 * PLAIN)


@pytest.mark.parametrize("which", ["forecast", "observation", "climatology"])
def test_values_that_are_not_finite_are_located(which):
    fields = dict(zip(("forecast", "observation", "climatology"), fields_of_noise(), strict=True))
    fields[which][3, 1, 2, 0, 0] = torch.nan
    with pytest.raises(ValueError, match=f"{which} has 1 values .* lead index 1, channel index 2"):
        compute_statistics(
            fields["forecast"],
            fields["observation"],
            climatology=fields["climatology"],
            latitude_weights=PLAIN,
        )


def test_overflow_is_refused():
    f, o, c = (x.double() for x in fields_of_noise())
    with pytest.raises(ValueError, match="overflow"):
        compute_statistics(f + 1e200, o, climatology=c, latitude_weights=PLAIN)
