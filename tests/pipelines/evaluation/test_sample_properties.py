import numpy as np
import pytest
import torch
from torch import nn

from pipelines.evaluation.sample_properties import channel_densities, network_costs


def test_densities_are_those_of_values_and_of_the_last_change():
    generator = torch.Generator().manual_seed(0)
    batches = [torch.randn(50, 2, 2, 10, 10, generator=generator) for _ in range(3)]
    for batch in batches:
        batch[:, 1, 0] = batch[:, 0, 0] + 0.5  # the first channel grows by half
    found = channel_densities(batches, channels=["a", "b"], step_hours=6)
    assert found.attrs == {"change_hours": 6}
    width = np.diff(found["value_bin"].values)[0]
    np.testing.assert_allclose(found["value_density"].sum("value_bin") * width, 1.0)
    b = found["value_density"].sel(channel="b")
    normal = np.exp(-(found["value_bin"] ** 2) / 2) / np.sqrt(2 * np.pi)
    np.testing.assert_allclose(b, normal, atol=0.02)
    change = found["change_density"].sel(channel="a")
    assert change["change_bin"].values[int(np.argmax(change.values))] == pytest.approx(0.5, abs=0.1)
    assert (change > 0).sum() == 1


def test_one_frame_has_no_change_and_outliers_are_counted():
    found = channel_densities([torch.full((4, 1, 1, 2, 2), 99.0)], channels=["a"], step_hours=0)
    assert "change_density" not in found
    assert (found["value_density"].values > 0).tolist() == [[False] * 80 + [True]]


def test_costs_are_counted_by_hand():
    network = nn.Sequential(nn.Flatten(1), nn.Linear(8, 3), nn.Linear(3, 2, bias=False))
    found = network_costs({"m": network}, torch.zeros(5, 1, 2, 2, 2), torch.zeros(5).long())
    assert found["parameters"].sel(network="m") == 8 * 3 + 3 + 3 * 2
    assert found["multiply_adds"].sel(network="m") == 8 * 3 + 3 * 2
