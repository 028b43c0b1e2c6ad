import numpy as np
import torch

from met2net.data.climatology import Climatology
from met2net.data.windows import WindowSpec
from met2net.forecasting.baseline_forecasts import baseline_forecasts

WINDOW = WindowSpec((-1, 0), (1, 3))
# The climatology is the hour of day; the last frame is observed at 22 UTC and is 20.
CLIMATOLOGY = Climatology(np.arange(24, dtype=np.float32).reshape(1, 24, 1, 1, 1))
INPUTS = torch.tensor([21.0, 20.0]).reshape(1, 2, 1, 1, 1)
INIT_TIME = torch.tensor([24 * 1000 + 22])


def _forecast(name):
    forecast = baseline_forecasts(CLIMATOLOGY, WINDOW)[name]
    return forecast(INPUTS, INIT_TIME).flatten().tolist()


def test_baselines_come_in_the_order_of_the_scores():
    names = list(baseline_forecasts(CLIMATOLOGY, WINDOW))
    assert names == ["persistence", "anomaly_persistence", "climatology"]


def test_persistence_repeats_the_last_frame():
    assert _forecast("persistence") == [20.0, 20.0]


def test_climatology_is_that_of_the_valid_time():
    assert _forecast("climatology") == [23.0, 1.0]


def test_anomaly_persistence_adds_the_last_anomaly_to_each_valid_time():
    assert _forecast("anomaly_persistence") == [23.0 - 2.0, 1.0 - 2.0]


def test_windows_of_a_batch_keep_their_own_climatology():
    inputs = torch.zeros(2, 2, 1, 1, 1)
    init_time = torch.tensor([24 * 1000 + 1, 24 * 2000 + 10])
    forecast = baseline_forecasts(CLIMATOLOGY, WINDOW)["climatology"](inputs, init_time)
    assert forecast[..., 0, 0, 0].tolist() == [[2.0, 4.0], [11.0, 13.0]]
