import numpy as np
import pytest
import torch

from met2net.data.climatology import NUM_DAYS, Climatology, ClimatologyAccumulator
from met2net.data.year_phase import year_phase
from met2net.models.seasonal_cycle import NUM_SEASONS, SeasonalCycle


def hours_of(*moments: str) -> torch.Tensor:
    return torch.tensor(np.array(moments, dtype="datetime64[h]").astype(np.int64))


def make_cycle(climatology: Climatology) -> SeasonalCycle:
    days, hours, channels, *grid = climatology.values.shape
    cycle = SeasonalCycle(
        num_channels=channels, grid_shape=tuple(grid), num_hours=hours,
        num_seasons=1 if days == 1 else NUM_SEASONS,
    )  # fmt: skip
    cycle.fit(climatology)
    return cycle


def test_a_year_begins_at_its_turn_and_is_half_over_in_july():
    phase = year_phase(hours_of("2000-01-01T00", "2000-07-01T15", "1980-01-01T00"))
    assert phase[0] == 0
    assert phase[1] == pytest.approx(0.5, abs=1e-3)
    assert min(phase[2], 1 - phase[2]) < 1 / 365  # leap days move the turn by less than a day


def test_means_by_hour_of_day_come_back_exactly():
    values = np.random.default_rng(0).normal(size=(1, 4, 2, 3, 5)).astype(np.float32)
    climatology = Climatology(values)
    init = hours_of("2001-03-05T06", "1999-12-31T18")
    found = make_cycle(climatology)(init, (-6, 0, 12))
    expected = climatology.at((init.numpy()[:, None] + [-6, 0, 12]).ravel())
    assert np.array_equal(found.flatten(0, 1).numpy(), expected)


def test_a_climatology_of_five_years_is_met_within_hundredths_of_its_spread():
    """Daily and yearly waves and noise, smoothed over 61 days as training sets smooth them."""
    hours = np.arange(*np.array(["2001-01-01", "2006-01-01"], dtype="datetime64[h]").astype(int), 6)
    year, day = 2 * np.pi * hours / 8765.82, 2 * np.pi * hours / 24
    noise = np.random.default_rng(1).normal(size=len(hours))
    series = 10 * np.cos(year - 0.5) + 2 * np.sin(day) * (1 + 0.5 * np.cos(year)) + 3 * noise
    accumulator = ClimatologyAccumulator(by_day=True, shape=(1, 1, 1))
    accumulator.add(series[:, None, None, None].astype(np.float32), hours)
    climatology = accumulator.finish()
    every = np.arange(*np.array(["2007-01-01", "2009-01-01"], dtype="datetime64[h]").astype(int), 6)
    found = make_cycle(climatology)(torch.from_numpy(every), (0,)).numpy().ravel()
    difference = found - climatology.at(every).ravel()
    assert np.sqrt(np.mean(difference**2)) < 0.015 * series.std()
    assert len(climatology.values) == NUM_DAYS


def test_a_climatology_of_another_shape_is_refused():
    cycle = SeasonalCycle(num_channels=2, grid_shape=(3, 5), num_seasons=1, num_hours=4)
    with pytest.raises(ValueError, match=r"1 days and shape \(8, 2, 3, 5\); expected terms"):
        cycle.fit(Climatology(np.zeros((1, 8, 2, 3, 5), dtype=np.float32)))
