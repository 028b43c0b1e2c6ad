from functools import partial

import numpy as np
import pytest
import torch
import xarray as xr
from torch import nn

from met2net.checkpoint import Checkpoint
from met2net.data.windows import WindowSpec
from met2net.forecast import Forecaster
from met2net.forecasting.rollout import rollout_hours
from met2net.models.reference_frame import ReferenceFrame
from tests.met2net.test_forecast import GRID, INIT, make_dataset, make_forecaster

EQUAL = WindowSpec((-6, 0), (6, 12, 18))


@pytest.mark.parametrize(
    ("num_leads", "expected"),
    [(None, (6, 12, 18)), (2, (6, 12)), (3, (6, 12, 18)), (5, (6, 12, 18, 24, 30))],
)
def test_lead_times_continue_the_trained_ones(num_leads, expected):
    assert rollout_hours(EQUAL, num_leads=num_leads) == expected


@pytest.mark.parametrize(
    "window",
    [
        WindowSpec((-6, 0), (6, 18)),  # uneven targets
        WindowSpec((-6, 0), (1, 2)),  # another spacing than the inputs
        WindowSpec((-12, -6, 0), (12, 18)),  # a gap between inputs and targets
    ],
)
def test_a_roll_out_over_unequal_steps_is_refused(window):
    assert rollout_hours(window, num_leads=2) == window.target_hours
    with pytest.raises(ValueError, match=r"3 lead times need a roll-out past the trained 2, but"):
        rollout_hours(window, num_leads=3)


def test_no_lead_time_is_refused():
    with pytest.raises(ValueError, match="num_leads is 0; expected a whole number, at least 1"):
        rollout_hours(EQUAL, num_leads=0)


def test_a_roll_out_to_the_trained_horizon_is_the_plain_forecast():
    forecaster, dataset = make_forecaster(), make_dataset()
    plain = forecaster.forecast(dataset, INIT)
    xr.testing.assert_identical(forecaster.forecast(dataset, INIT, num_leads=3), plain)
    xr.testing.assert_identical(
        forecaster.forecast(dataset, INIT, num_leads=1), plain.isel(lead_time=[0])
    )


@pytest.mark.parametrize("num_leads", [4, 6, 8])
def test_past_the_horizon_forecasts_are_the_next_inputs(num_leads):
    forecaster, dataset = make_forecaster(), make_dataset()
    rolled = forecaster.forecast(dataset, INIT, num_leads=num_leads)
    hours = rolled["lead_time"].values.astype("timedelta64[h]").astype(int).tolist()
    assert hours == [6 * n for n in range(1, num_leads + 1)]
    assert rolled["valid_time"].values[0, 3] == INIT + np.timedelta64(24, "h")
    # By hand: the last two of three forecast frames are observed by a second forecast.
    first = forecaster.forecast(dataset, INIT)
    observed = first.isel(init_time=0).swap_dims(lead_time="valid_time").drop_vars("lead_time")
    observed = observed.rename(valid_time="time").reset_coords(drop=True)
    second = forecaster.forecast(observed, INIT + np.timedelta64(18, "h"))
    for name in first:
        count = min(3, num_leads - 3)
        np.testing.assert_array_equal(
            rolled[name].values[:, 3 : 3 + count], second[name].values[:, :count]
        )


class Zeros(nn.Module):
    """Gives no change."""

    def __init__(self, *, variables, input_variables):
        super().__init__()
        self.num_channels = len(variables)

    def forward(self, inputs):
        batch, _, _, height, width = inputs.shape
        return torch.zeros(batch, 1, self.num_channels, height, width)


def test_persistence_rolled_out_stays_persistence():
    forecaster = make_forecaster()
    network = ReferenceFrame(variables=forecaster.checkpoint.variables, forecaster=partial(Zeros))
    network.set_scale(torch.ones(3))
    fields = {f: getattr(forecaster.checkpoint, f) for f in Checkpoint.__dataclass_fields__}
    # One input frame in, one out, six hours later.
    changed = fields | {"network": network, "window": WindowSpec((-6, 0), (6,))}
    dataset = make_dataset()
    rolled = Forecaster(Checkpoint(**changed)).forecast(dataset, INIT, num_leads=7)
    now = dataset["2m_temperature"].sel(time=INIT).values
    assert rolled["2m_temperature"].shape == (1, 7, *GRID.shape)
    # Normalized in float32 and back, seven times.
    np.testing.assert_allclose(
        rolled["2m_temperature"].values[0], np.broadcast_to(now, (7, *GRID.shape)), rtol=1e-6
    )


def test_samples_of_a_batch_roll_out_alone():
    forecaster = make_forecaster()
    count, window = len(forecaster.checkpoint.normalizer.channels), forecaster.checkpoint.window
    noise = np.random.default_rng(0).normal(size=(2, window.num_inputs, count, *GRID.shape))
    inputs = (180 + noise).astype(np.float32)
    both = forecaster.roll_out(inputs, num_leads=5)
    assert both.shape == (2, 5, count, *GRID.shape)
    alone = np.concatenate([forecaster.roll_out(inputs[[n]], num_leads=5) for n in (0, 1)])
    np.testing.assert_allclose(both, alone, rtol=1e-5)
    np.testing.assert_array_equal(forecaster.roll_out(inputs), forecaster.predict(inputs))
