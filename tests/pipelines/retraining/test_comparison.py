from pathlib import Path
from types import SimpleNamespace

import netCDF4
import numpy as np
import pytest
import scipy.stats

from met2net.verification.block_bootstrap import BlockBootstrap
from met2net.verification.statistics import STATISTICS, Statistics
from pipelines.errors import DataError
from pipelines.evaluation.statistics_file import StatisticsWriter
from pipelines.retraining.comparison import METRIC, Comparison, compare_models

CHANNELS = ("t2m", "u10")
LEADS = (1, 2)


def write_statistics(
    path: Path, squared: dict[str, np.ndarray], *, points: int = 20, scale=(1.0, 1.0)
) -> Path:
    """Write squared errors (init time, lead, channel), means over points, of hourly init times."""
    arrays = list(squared.values())
    hours = 438_288 + np.arange(len(arrays[0]))  # from 2020-01-01T00 on
    attrs = {"split": "test"}
    with StatisticsWriter(
        path,
        models=list(squared),
        channels=CHANNELS,
        lead_hours=LEADS,
        scale=np.array(scale),
        attrs=attrs,
    ) as writer:
        for model, errors in squared.items():
            sums = dict.fromkeys(STATISTICS, np.zeros((len(hours), 1, 2, 2, 2)))
            sums["weight"] = sums["weight"] + points
            sums["squared_error"] = np.repeat(errors[:, None, None] * points, 2, axis=2)
            batch = SimpleNamespace(model=model, init_time=hours, statistics=Statistics(**sums))
            writer.add(batch)
    return path


def compare(path: Path, *, days: int = 2, metric: str = METRIC) -> Comparison:
    return compare_models(
        path, challenger="new", champion="old", channels=CHANNELS, lead_hours=LEADS,
        bootstrap=BlockBootstrap(block_days=days, num_resamples=200), metric=metric,
    )  # fmt: skip


def noisy(seed: int, mean: float, hours: int = 480) -> np.ndarray:
    return mean * (1 + 0.3 * np.random.default_rng(seed).uniform(-1, 1, size=(hours, 2, 2)))


def test_errors_are_the_mean_over_channels_of_the_root_of_all_leads_and_times(tmp_path: Path):
    # by hand: t2m (1 + 7) / 2 = 4, root 2; u10 (9 + 9) / 2, root 3; the other twice as large
    new = np.tile(np.array([[1.0, 9.0], [7.0, 9.0]]), (48, 1, 1))
    found = compare(write_statistics(tmp_path / "s.nc", {"new": new, "old": 4 * new}))
    assert (found.challenger, found.champion, found.improvement) == (2.5, 5.0, 0.5)
    assert found.num_windows == 48
    one = compare(tmp_path / "s.nc", metric="normalized_rmse/u10")
    assert (one.challenger, one.champion) == (3.0, 6.0)


def test_the_errors_are_in_training_standard_deviations(tmp_path: Path):
    # Normalized by twice the standard deviation of t2m: its errors are twice as large in that.
    new = np.tile(np.array([[1.0, 9.0], [7.0, 9.0]]), (48, 1, 1))
    path = write_statistics(tmp_path / "s.nc", {"new": new, "old": 4 * new}, scale=(2.0, 1.0))
    assert (compare(path).challenger, compare(path).champion) == (3.5, 7.0)
    drawn = write_statistics(tmp_path / "t.nc", {"new": noisy(0, 1), "old": noisy(1, 1)})
    halved = [np.array([0.25, 1.0]) * noisy(seed, 1) for seed in (0, 1)]
    same = write_statistics(
        tmp_path / "u.nc", dict(zip(("new", "old"), halved, strict=True)), scale=(2.0, 1.0)
    )
    for name in ("bootstrap_p_value", "dm_p_value", "improvement_low"):
        assert getattr(compare(same), name) == pytest.approx(getattr(compare(drawn), name))


def test_a_file_of_an_earlier_version_is_refused(tmp_path: Path):
    path = write_statistics(tmp_path / "s.nc", {"new": noisy(0, 1, 4), "old": noisy(1, 1, 4)})
    with netCDF4.Dataset(path, "a") as file:
        file.renameVariable("scale", "divisor")
    with pytest.raises(DataError, match="has no scale of channels; expected one: score the run"):
        compare(path)


def test_the_interval_and_the_p_value_of_the_improvement_are_one_test(tmp_path: Path):
    path = write_statistics(tmp_path / "s.nc", {"new": noisy(0, 1), "old": noisy(1, 1.01)})
    p_value = compare(path).bootstrap_p_value
    found = compare_models(
        path, challenger="new", champion="old", channels=CHANNELS, lead_hours=LEADS,
        bootstrap=BlockBootstrap(block_days=2, num_resamples=200, confidence=1 - p_value),
    )  # fmt: skip
    assert 0.001 < p_value < 0.9
    assert found.improvement_low == pytest.approx(0.0, abs=1e-9)


def test_too_few_days_or_equal_errors_give_no_p_value(tmp_path: Path):
    new = np.ones((48, 2, 2))
    found = compare(write_statistics(tmp_path / "s.nc", {"new": new, "old": 2 * new}))
    assert np.isnan([found.bootstrap_p_value, found.improvement_low, found.dm_p_value]).all()
    assert found.as_dict()["dm_p_value"] is None
    short = compare(write_statistics(tmp_path / "t.nc", {"new": new[:2], "old": 2 * new[:2]}))
    assert np.isnan(short.dm_statistic)


def test_a_sure_gain_has_small_p_values_and_an_interval_around_it(tmp_path: Path):
    found = compare(write_statistics(tmp_path / "s.nc", {"new": noisy(0, 1), "old": noisy(1, 1.2)}))
    assert found.improvement_low < found.improvement < found.improvement_high
    assert found.improvement_low > 0
    assert found.bootstrap_p_value < 0.02 and found.dm_p_value < 0.001
    assert found.dm_statistic < 0


def test_turning_the_two_round_turns_the_signs_and_keeps_the_p_values(tmp_path: Path):
    first, second = noisy(0, 1), noisy(1, 1.003)
    one = compare(write_statistics(tmp_path / "a.nc", {"new": first, "old": second}))
    other = compare(write_statistics(tmp_path / "b.nc", {"new": second, "old": first}))
    assert one.bootstrap_p_value == pytest.approx(other.bootstrap_p_value)
    assert one.dm_statistic == pytest.approx(-other.dm_statistic)
    assert one.dm_p_value == pytest.approx(other.dm_p_value)


def test_without_memory_the_test_is_close_to_a_paired_t_test(tmp_path: Path):
    first, second = noisy(0, 1), noisy(1, 1.02)
    found = compare(write_statistics(tmp_path / "s.nc", {"new": first, "old": second}))
    # The file holds float32; the horizon of 2 adds one autocovariance, which is small here.
    difference = first.mean(axis=(1, 2)) - second.mean(axis=(1, 2))
    expected = scipy.stats.ttest_1samp(difference, 0.0)
    assert found.dm_statistic == pytest.approx(expected.statistic, rel=0.1)


def test_an_unknown_metric_is_refused(tmp_path: Path):
    path = write_statistics(tmp_path / "s.nc", {"new": noisy(0, 1, 4), "old": noisy(1, 1, 4)})
    for metric in ("acc", "normalized_rmse/msl", "rmse/t2m"):
        with pytest.raises(DataError, match="expected normalized_rmse or one of: normalized_rmse/"):
            compare(path, metric=metric)
