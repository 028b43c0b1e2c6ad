import pytest
import torch

from met2net.training.objective import EndToEnd
from met2net.training.squared_error import SquaredError
from tests.met2net.models.model_builders import make_batch, make_met2net


def test_channel_weights_by_hand():
    error = SquaredError(channel_weights={"t2m": 4.0})
    error.prepare(make_met2net())  # channels u10 v10 t2m: weights 1 1 4, mean 2
    forecast = torch.zeros(1, 1, 3, 1, 1)
    forecast[:, :, 2] = 1.0
    assert float(error(forecast, torch.zeros_like(forecast))) == pytest.approx(4 / 2 / 3)
    forecast = torch.ones(1, 1, 3, 2, 2)
    assert float(error(forecast, torch.zeros_like(forecast))) == pytest.approx(1.0)


def test_without_weights_it_is_the_mean_squared_error():
    error = SquaredError()
    error.set_area_weights(torch.tensor([1.0, 2.0]))  # not asked for, so not used
    forecast, targets = torch.randn(2, 2, 3, 2, 2), torch.randn(2, 2, 3, 2, 2)
    expected = torch.nn.functional.mse_loss(forecast, targets)
    assert torch.equal(error(forecast, targets), expected)


def test_weights_are_no_part_of_a_saved_state():
    objective = EndToEnd(channel_weights={"t2m": 4.0}, area_weighted=True)
    objective.set_area_weights(torch.ones(4))
    objective.prepare(make_met2net())
    assert not objective.state_dict()
    assert len(list(objective.buffers())) == 2  # but they follow to a GPU


def test_wrong_weights_are_refused():
    with pytest.raises(ValueError, match="channel weight of t2m is 0.0; expected above 0"):
        SquaredError(channel_weights={"t2m": 0.0})
    with pytest.raises(ValueError, match="names msl; expected some of u10, v10, t2m"):
        SquaredError(channel_weights={"msl": 1.0}).prepare(make_met2net())
    error = SquaredError(area_weighted=True)
    with pytest.raises(ValueError, match="area weights of 0 rows; expected 4"):
        error(*make_batch())
    with pytest.raises(ValueError, match="area weights reach from -1.0 to 1.0"):
        error.set_area_weights(torch.tensor([-1.0, 1.0]))
    error.set_area_weights(torch.ones(5))
    with pytest.raises(ValueError, match="area weights of 5 rows; expected 4"):
        error(*make_batch())
