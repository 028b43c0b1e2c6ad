import logging
from dataclasses import replace

import numpy as np
import pytest

from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from pipelines.errors import DataError
from pipelines.training_sets import ridge as module
from pipelines.training_sets.ridge import fitted_ridge, ridge_file
from tests.pipelines.small_project import WINDOW, make_training_set


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return TrainingSet.open(make_training_set(tmp_path_factory.mktemp("project")))


@pytest.fixture
def fits(monkeypatch):
    """Counts how often a regression is fitted."""
    calls = []

    def counted(*arguments, **options):
        calls.append(options["window"])
        return fit(*arguments, **options)

    fit = module.fit_ridge
    monkeypatch.setattr(module, "fit_ridge", counted)
    return calls


def is_same(first, second):
    states = [ridge.forecast.state_dict() for ridge in (first, second)]
    rest = [(r.settings, r.regularization, r.band_regularization) for r in (first, second)]
    return (
        all(np.array_equal(states[0][name], states[1][name]) for name in states[0] | states[1])
        and np.array_equal(first.residual, second.residual)
        and rest[0] == rest[1]
    )


def test_it_is_fitted_once_and_read_back(data, fits):
    first = fitted_ridge(data, window=WINDOW)
    second = fitted_ridge(data, window=WINDOW)
    assert len(fits) == 1
    assert is_same(first, second)
    assert ridge_file(data, window=WINDOW).is_file()


def test_another_window_or_training_set_is_fitted_anew(data, fits):
    longer = WindowSpec.regular(num_inputs=3, num_targets=3)
    found = fitted_ridge(data, window=longer)
    assert found.forecast.weights.shape[2] == 3 * 4 * 12
    other = replace(data, attrs=data.attrs | {"fingerprint": "another"})
    fitted_ridge(other, window=longer)
    assert fits == [longer, longer]


def test_a_damaged_file_is_told_and_replaced(data, fits, caplog):
    window = WindowSpec.regular(num_inputs=2, num_targets=2)
    first = fitted_ridge(data, window=window)
    path = ridge_file(data, window=window)
    path.write_bytes(path.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        second = fitted_ridge(data, window=window)
    assert "is damaged; the regression is fitted again" in caplog.text
    assert len(fits) == 2
    assert is_same(first, second)


def test_a_split_without_a_window_is_refused(data):
    window = WindowSpec.regular(num_inputs=3, num_targets=60)
    with pytest.raises(DataError, match="no window in split 'validation'"):
        fitted_ridge(data, window=window)
