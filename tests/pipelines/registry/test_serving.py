"""A registered model over HTTP: the same numbers as in Python, and clear refusals."""

import json

import numpy as np
import pytest

from pipelines.tracking.mlflow_quiet import mlflow, tracking_at
from tests.pipelines.registry.served_model import post, serving
from tests.pipelines.registry.test_register import SHAPE as GRID_SHAPE
from tests.pipelines.registry.test_register import (
    make_checkpoint,
    make_inputs,
    make_run_folder,
    register_demo,
    save_checkpoint,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("served")
    store = f"sqlite:///{folder / 'mlflow.db'}"
    run_folder = make_run_folder(folder / "demo", shape=GRID_SHAPE)
    save_checkpoint(run_folder / "models" / "met2net" / "model.safetensors", make_checkpoint())
    register_demo(store, run_folder, "served")
    return store


@pytest.fixture(scope="module")
def address(store: str, tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("serving")
    with serving("models:/served@champion", tracking_uri=store, folder=folder) as address:
        yield f"{address}/invocations"


def in_python(store: str, inputs: np.ndarray) -> np.ndarray:
    with tracking_at(store):
        return mlflow.pyfunc.load_model("models:/served@champion").predict(inputs)


def body(inputs: np.ndarray, **params: object) -> bytes:
    content = {"inputs": inputs.tolist()} | ({"params": params} if params else {})
    return json.dumps(content).encode()


def test_http_gives_the_numbers_of_python(store: str, address: str) -> None:
    inputs = make_inputs(samples=2)
    status, answer = post(address, body(inputs))
    assert status == 200, answer
    served = np.asarray(json.loads(answer)["predictions"], dtype=np.float32)
    # JSON carries float32 exactly; only the number of threads of the other process may differ.
    np.testing.assert_allclose(served, in_python(store, inputs), rtol=1e-5, atol=5e-5)


def test_a_request_says_how_many_lead_times_it_wants(store: str, address: str) -> None:
    status, answer = post(address, body(make_inputs(), num_leads=2))
    assert status == 200, answer
    served = np.asarray(json.loads(answer)["predictions"], dtype=np.float32)
    every = in_python(store, make_inputs())
    assert every.shape[1] == 4
    np.testing.assert_allclose(served, every[:, :2], rtol=1e-5, atol=5e-5)


@pytest.mark.parametrize(
    ("request_body", "content_type", "status", "words"),
    [
        (b"{not json", "application/json", 400, "JSON"),
        (b"{}", "application/json", 400, "inputs"),
        (body(make_inputs()[..., :-1]), "application/json", 400, "expected shape"),
        (body(make_inputs()[:, :1]), "application/json", 400, "expected shape"),
        (b'{"inputs": "weather"}', "application/json", 400, ""),
        (
            body(np.where(np.arange(GRID_SHAPE[-1]) == 4, np.nan, make_inputs())),
            "application/json",
            400,
            "not finite in t2m, u10, v10",
        ),
        (
            body(np.zeros_like(make_inputs())),
            "application/json",
            400,
            "t2m (2m temperature) is 0 K at frame 0 of sample 0",
        ),
        (
            body(np.where(np.arange(GRID_SHAPE[-1]) == 4, 1e30, make_inputs())),
            "application/json",
            400,
            "expected within 160 to 350 K",
        ),
        (
            body(make_inputs() - np.array([273.15, 0, 0])[:, None, None]),
            "application/json",
            400,
            "the whole field looks like degrees Celsius",
        ),
        (b"1,2", "text/plain", 415, "application/json"),
        (body(make_inputs(), num_leads=0), "application/json", 400, "expected 1 to 1000"),
        (body(make_inputs(), num_leads=1001), "application/json", 400, "expected 1 to 1000"),
        (body(make_inputs(), num_leads="soon"), "application/json", 400, "num_leads"),
        (body(make_inputs(), num_leads=2.5), "application/json", 400, "num_leads"),
        (body(make_inputs(), num_leads=9), "application/json", 400, "not equally spaced"),
        (
            body(make_inputs())[:-1] + b', "params": 3}',
            "application/json",
            400,
            "must be a dictionary",
        ),
    ],
    ids=[
        "no JSON",
        "no inputs",
        "other grid",
        "too few frames",
        "text",
        "not finite",
        "zeros",
        "fill values",
        "degrees Celsius",
        "type",
        "no lead",
        "too many leads",
        "leads as text",
        "half a lead",
        "no roll-out",
        "bad params",
    ],
)
def test_a_malformed_request_is_refused_with_its_reason(
    address: str, request_body: bytes, content_type: str, status: int, words: str
) -> None:
    found, answer = post(address, request_body, content_type)
    assert found == status, answer
    assert words in answer


def test_python_refuses_what_is_not_finite_with_mlflow_s_own_error(store: str) -> None:
    inputs = make_inputs()
    inputs[0, 0, 1] = np.inf
    with pytest.raises(mlflow.MlflowException, match="not finite in u10") as caught:
        in_python(store, inputs)
    assert caught.value.get_http_status_code() == 400
