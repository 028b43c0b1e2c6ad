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


def test_lead_times_count_as_told_beside_channels_and_valid_points():
    error = SquaredError(channel_weights={"t2m": 4.0})
    error.prepare(make_met2net())  # weights 1/2 1/2 2
    lead_weights = torch.tensor([[0.5, 1.0, 1.5], [1.5, 1.0, 0.5]])
    forecast = torch.zeros(2, 2, 3, 1, 2)
    forecast[:, 1, 2] = 1.0  # of two lead times the later, of three channels the last
    aim = torch.zeros_like(forecast)
    assert float(error(forecast, aim, lead_weights)) == pytest.approx(2 * 0.5 / 6)
    valid = torch.ones(3, 1, 2, dtype=torch.bool)
    valid[2, 0, 1] = False
    error.set_valid_points(valid)
    # Each lead time has 2 points of weight 1/2 in two channels, and one of weight 2 in the third,
    # times its own factors: 0.5 + 1.0 + 3.0 and 1.5 + 1.0 + 1.0.
    assert float(error(forecast, aim, lead_weights)) == pytest.approx(2 * 0.5 / 8)


def test_weights_are_no_part_of_a_saved_state():
    objective = EndToEnd(channel_weights={"t2m": 4.0}, area_weighted=True)
    objective.set_area_weights(torch.ones(4))
    objective.prepare(make_met2net())
    assert not objective.state_dict()
    assert len(list(objective.buffers())) == 3  # but they follow to a GPU


def latents(*shape: int, at: tuple) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents that are wrong by 1 in one place."""
    found = torch.zeros(shape)
    found[at] = 1.0
    return found, torch.zeros(shape)


def test_a_latent_counts_as_much_as_its_variable_s_channels_do_on_the_mean():
    error = SquaredError(channel_weights={"u10": 2.0, "v10": 4.0})
    error.prepare(make_met2net())  # uv10 has weights 2 and 4, mean 3; t2m has 1; mean of both 2
    for variable, weight in ((0, 3 / 2), (1, 1 / 2)):
        pair = latents(1, 2, 1, 1, 1, at=(0, variable))
        value = error.of_latents(*pair, factor=1, height=1)
        assert float(value) == pytest.approx(weight / 2)
    together = latents(1, 1, 1, 1, 1, at=(0, 0))  # one latent for all variables
    assert float(error.of_latents(*together, factor=1, height=1)) == pytest.approx(1.0)


def test_a_latent_row_has_the_mean_area_of_the_rows_that_it_covers():
    error = SquaredError(area_weighted=True)
    error.set_area_weights(torch.tensor([1.0, 3.0, 5.0, 7.0, 9.0]))
    # Rows in pairs, the last one alone: 2, 6 and 9, whose mean is 17 / 3.
    for row, weight in enumerate((2.0, 6.0, 9.0)):
        pair = latents(1, 2, 1, 3, 1, at=(0, 0, 0, row))
        value = error.of_latents(*pair, factor=2, height=5)
        assert float(value) == pytest.approx(weight / (17 / 3) / 6)
    ones = torch.ones(1, 2, 3, 3, 4)
    assert float(error.of_latents(ones, 0 * ones, factor=2, height=5)) == pytest.approx(1.0)
    with pytest.raises(ValueError, match="area weights of 5 rows; expected 6"):
        error.of_latents(ones, 0 * ones, factor=2, height=6)


def test_without_weights_latents_have_the_mean_squared_error():
    found, aim = torch.randn(2, 2, 3, 2, 2), torch.randn(2, 2, 3, 2, 2)
    expected = torch.nn.functional.mse_loss(found, aim)
    assert torch.equal(SquaredError().of_latents(found, aim, factor=2, height=4), expected)


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
