import logging
from dataclasses import replace

import numpy as np
import pytest

from met2net.data.training_set import TrainingSet
from met2net.data.windows import WindowSpec
from pipelines.errors import DataError
from pipelines.evaluation import ridge as module
from pipelines.evaluation.ridge import fitted_ridge
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
    rest = [(r.frames, r.is_local, r.regularization) for r in (first, second)]
    return np.array_equal(first.weights, second.weights) and rest[0] == rest[1]


def test_it_is_fitted_once_and_read_back(data, fits, tmp_path):
    path = tmp_path / "run" / "ridge.safetensors"
    first = fitted_ridge(data, window=WINDOW, path=path)
    second = fitted_ridge(data, window=WINDOW, path=path)
    assert len(fits) == 1
    assert is_same(first, second)
    assert [p.name for p in path.parent.iterdir()] == ["ridge.safetensors"]


def test_another_window_or_training_set_is_fitted_anew(data, fits, tmp_path):
    path = tmp_path / "ridge.safetensors"
    fitted_ridge(data, window=WINDOW, path=path)
    longer = WindowSpec.regular(num_inputs=3, num_targets=3)
    assert fitted_ridge(data, window=longer, path=path).weights.shape[1] == 3 * 4 * 12
    other = replace(data, attrs=data.attrs | {"fingerprint": "another"})
    fitted_ridge(other, window=longer, path=path)
    assert fits == [WINDOW, longer, longer]


def test_a_damaged_file_is_told_and_replaced(data, fits, tmp_path, caplog):
    path = tmp_path / "ridge.safetensors"
    first = fitted_ridge(data, window=WINDOW, path=path)
    path.write_bytes(path.read_bytes()[:100])
    with caplog.at_level(logging.WARNING):
        second = fitted_ridge(data, window=WINDOW, path=path)
    assert "is damaged; the regression is fitted again" in caplog.text
    assert len(fits) == 2
    assert is_same(first, second)


def test_a_split_without_a_window_is_refused(data, tmp_path):
    window = WindowSpec.regular(num_inputs=3, num_targets=60)
    with pytest.raises(DataError, match="no window in split 'validation'"):
        fitted_ridge(data, window=window, path=tmp_path / "ridge.safetensors")
