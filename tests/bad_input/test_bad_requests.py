"""Requests to a served model: the forecast, or MLflow's error for a bad request (status 400)."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from met2net.checkpoint import save_checkpoint
from pipelines.registry.pyfunc_model import ForecastModel
from pipelines.tracking.mlflow_quiet import mlflow
from tests.bad_input.refusals import generated, tree
from tests.met2net.test_checkpoint import GRID, make_checkpoint

# NumPy's note where a number is too large for float32; it is refused as not finite.
pytestmark = pytest.mark.filterwarnings("ignore:overflow encountered in cast:RuntimeWarning")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> ForecastModel:
    path = tmp_path_factory.mktemp("model") / "model.safetensors"
    save_checkpoint(path, make_checkpoint())
    served = ForecastModel()
    served.load_context(SimpleNamespace(artifacts={"checkpoint": str(path)}))
    return served


_SHAPES = st.lists(st.integers(0, 5), max_size=6).map(tuple)
_REQUESTS = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.lists(st.one_of(st.none(), st.text(max_size=2), st.floats(), st.lists(st.floats()))),
    st.dictionaries(st.text(max_size=3), st.floats(), max_size=2),
    _SHAPES.map(np.zeros),
    _SHAPES.map(lambda shape: np.full(shape, "a")),
    _SHAPES.map(lambda shape: np.full(shape, None)),
    _SHAPES.map(lambda shape: np.zeros(shape, dtype="datetime64[s]")),
)


@generated(150)
@given(request_=_REQUESTS)
def test_other_things_than_fields_are_refused(
    model: ForecastModel, tmp_path: Path, request_: object
) -> None:
    with pytest.raises(mlflow.MlflowException) as caught:
        model.predict(None, request_)
    assert caught.value.get_http_status_code() == 400
    assert "\n" not in caught.value.message.strip()
    assert tree(tmp_path) == {}


@generated(40)
@given(
    place=st.tuples(*(st.integers(0, size - 1) for size in (1, 2, 3, *GRID.shape))),
    value=st.sampled_from([np.nan, np.inf, -np.inf, 1e300]),
)
def test_one_value_that_is_not_finite_is_named_by_its_channel(
    model: ForecastModel, place: tuple[int, ...], value: float
) -> None:
    inputs = np.full((1, 2, 3, *GRID.shape), 280.0)
    inputs[place] = value  # 1e300 is infinite as float32
    channel = ("u10", "v10", "t2m")[place[2]]
    with pytest.raises(
        mlflow.MlflowException, match=f"not finite in {channel}; expected none"
    ) as caught:
        model.predict(None, inputs)
    assert caught.value.get_http_status_code() == 400
