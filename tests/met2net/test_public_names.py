"""What `met2net` gives, as its page shows it, where nothing else of this project is."""

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

import met2net

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
TRAINING, FORECASTING = re.findall(r"```python\n(import xarray.*?)```", PAGE, re.DOTALL)
(WRAPPED,) = re.findall(r"```python\n(from met2net import KnownInputs.*?)```", PAGE, re.DOTALL)

# Less than an environment of the wheel (tests/test_wheel.py), and made sooner; a module that
# is None cannot be imported.
ALONE = """
import sys
for name in ("pipelines", "flows", "tests", "prefect", "hydra", "omegaconf", "mlflow", "dask",
             "icechunk", "cdsapi"):
    sys.modules[name] = None
import met2net
assert "torch" not in sys.modules and "xarray" not in sys.modules, "importing met2net is heavy"
"""


def run_alone(code: str, folder: Path) -> str:
    ran = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", "-c", ALONE + code],
        cwd=folder, capture_output=True, text=True,
        env={"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PATH": ""},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def odd_weather() -> xr.Dataset:
    """20 days of hours with other names, latitudes from the south and longitudes to 180."""
    rng = np.random.default_rng(0)
    time = np.datetime64("2020-01-01T00", "ns") + np.arange(480).astype("timedelta64[h]")
    day = np.sin(2 * np.pi * np.arange(480) / 24)[:, None, None]
    dims = ("valid_time", "lat", "lon")
    return xr.Dataset(
        {
            "T_2M": (
                dims,
                (285 + 8 * day + rng.normal(size=(480, 4, 5))).astype("f4"),
                {"units": "kelvin"},
            ),
            "10u": (dims, (1 + 5 * day + rng.normal(size=(480, 4, 5))).astype("f4")),
            "v10": (dims, (2 - 5 * day + rng.normal(size=(480, 4, 5))).astype("f4")),
        },
        coords={
            "valid_time": time,
            "lat": ("lat", np.arange(20.0, 24.0), {"units": "degrees_north"}),
            "lon": ("lon", np.arange(-70.0, -65.0), {"units": "degrees_east"}),
        },
    )


def test_a_network_in_wrappers_trains_and_forecasts(tmp_path: Path) -> None:
    odd_weather().to_netcdf(tmp_path / "weather.nc")
    shorter = re.sub(r"network = .*", "", TRAINING.replace("max_epochs=2", "max_epochs=1"))
    code = (
        f"{WRAPPED.replace('met2net_weather_l(', 'met2net_weather_l(spatial_dim=8, ')}\n{shorter}"
    )
    shown = run_alone(f"{code}\n{FORECASTING}", tmp_path)
    assert {"persistence", "climatology", "mine"} <= set(shown.split())


def test_the_examples_are_short() -> None:
    statements = [len(re.findall(r"^\w", text, re.MULTILINE)) for text in (TRAINING, FORECASTING)]
    assert statements[0] <= 13 and statements[1] <= 5


def test_every_public_name_is_there_and_on_the_page() -> None:
    assert sorted(met2net.__all__) == met2net.__all__
    for name in met2net.__all__:
        assert getattr(met2net, name) is not None
        if name != "__version__":
            assert f"`{name}`" in PAGE
    assert set(met2net.__all__) <= set(dir(met2net))
    with pytest.raises(AttributeError, match="has no attribute 'Forcaster'"):
        _ = met2net.Forcaster


MISTAKES = {
    "load_checkpoint('text')": "FileNotFoundError: no checkpoint at text; expected the path of",
    "load_checkpoint('.')": "ValueError: . is a folder; expected a checkpoint, one safetensors",
    "forecaster.predict(torch.zeros(1, 2, 3, 4, 5))": "TypeError: inputs are a torch.Tensor; "
    "expected a numpy.ndarray in physical units",
    "forecaster.predict(np.zeros((2, 3)))": "ValueError: inputs have shape (3,) a sample; "
    "expected (4, 3, 4, 5): 4 frames of t2m, u10, v10",
    "forecaster.forecast(dataset, '2020-01-20T12', names=NAMES, num_leads=2.0)": "ValueError: "
    "num_leads is 2.0; expected a whole number, at least 1",
    "forecaster.predict(np.zeros((1, 4, 3, 4, 5), complex))": "TypeError: inputs are of type "
    "complex128; expected real numbers",
    "forecaster.forecast([1], '2020-01-20T12')": "TypeError: found a list; expected an xarray.Dat",
    "forecaster.forecast(dataset, '2020-01-20T12', names=['T_2M'])": "TypeError: names is a list; "
    "expected a mapping of channel labels to variables",
    "forecaster.forecast(dataset, '2020-01-20T12', names={'t2m': 'T'})": "ValueError: names has "
    "variables T; the dataset has: T_2M, 10u, v10",
    "forecaster.forecast(dataset, '2020-01-20T12')": "ValueError: dataset has no variable "
    "'2m_temperature'; found: T_2M, 10u, v10; expected 2m_temperature, t2m, 2t, or another one",
    "score_forecasts([forecaster], data)": "TypeError: forecasts is a list; expected a mapping",
    "score_forecasts({'climatology': forecaster}, data)": "ValueError: forecasts has climatology, "
    "a baseline's name",
    "score_forecasts({}, data)": "ValueError: found no forecaster; expected one, or a `window`",
    "score_forecasts({'mine': forecaster}, data, split='all')": "ValueError: unknown split 'all'",
    "TrainingSet.from_dataset(dataset, variables=['t2m'], splits={})": "ValueError: variables is "
    "the list ['t2m']; expected a mapping of group names to channel labels",
    "made(splits=[1, 2, 3])": "ValueError: splits is [1, 2, 3]; expected a mapping of train",
    "made(splits={'train': ('2020', '2020')})": "ValueError: splits is train; expected a mapping",
    "made(names={'T_2M': 't2m'})": "ValueError: names has variables t2m; the dataset has: T_2M",
    "made(names={'t2m': 'T_2M', 'd2m': '10u'})": "ValueError: names has d2m; expected channels of",
    "train(data, window=window, network=Met2Net, optimization=optimization)": "TypeError: "
    "network is <class 'met2net.models.met2net.Met2Net'>; expected settings, as `settings_of",
    "load_checkpoint('mine.safetensors', allow='my_module')": "TypeError: allow is 'my_module'; "
    "expected a list of modules, as ['my_module']",
}


def test_errors_name_the_contract(tmp_path: Path) -> None:
    odd_weather().to_netcdf(tmp_path / "weather.nc")
    code = f"""
import numpy as np
import torch
from met2net import Forecaster, Met2Net, load_checkpoint
{TRAINING.replace("max_epochs=2", "max_epochs=1")}
splits = {{name: ends for name, ends in zip(("train", "validation", "test"), (
    ("2020-01-01", "2020-01-12"), ("2020-01-13", "2020-01-15"), ("2020-01-16", "2020-01-20")))}}
NAMES = {{"t2m": "T_2M"}}
def made(**changes):
    given = {{"variables": {{"t2m": ["t2m"]}}, "names": NAMES, "splits": splits}}
    return TrainingSet.from_dataset(dataset, **(given | changes))
for mistake in {list(MISTAKES)!r}:
    try:
        eval(mistake)
        print(mistake, "->", "nothing")
    except (OSError, TypeError, ValueError) as error:
        print(mistake, "->", f"{{type(error).__name__}}: {{error}}")
"""
    shown = run_alone(code, tmp_path)
    wrong = {
        mistake: expected for mistake, expected in MISTAKES.items()
        if f"{mistake} -> {expected}" not in shown
    }  # fmt: skip
    assert not wrong, f"{wrong}\n{shown}"
