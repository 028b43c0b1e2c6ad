"""GRIB fields count as what their step, type and member say, not as what they are called."""

from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from met2net.data.step_kind import hours_of_sum, other_kind
from met2net.data.variables import variable
from pipelines.errors import DataError
from pipelines.formats.decode import decode
from pipelines.formats.left_out import because, left_out
from tests.pipelines.formats.grib_files import message

FIELD = 280.0 + np.arange(6.0).reshape(3, 2)
RAIN = np.full((3, 2), 2e-3)


def write(path: Path, *messages: bytes) -> xr.Dataset:
    path.write_bytes(b"".join(messages))
    return decode(path)


@pytest.mark.parametrize(
    ("keys", "reason"),
    [
        ({"type": "es"}, "2t with dataType es; expected an analysis or a forecast"),
        ({"type": "em"}, "2t with dataType em; expected an analysis or a forecast"),
        ({"type": "cl"}, "2t with dataType cl; expected an analysis or a forecast"),
        ({"type": "pf", "number": 3}, "2t with dataType pf; expected an analysis or a forecast"),
        ({"number": 3}, "2t with number 3, a member of an ensemble; expected an analysis or the "
                        "control"),
        ({"timeRangeIndicator": 2, "P2": 6}, "2t with stepType max; expected instant"),
        ({"timeRangeIndicator": 3, "P2": 6}, "2t with stepType avg; expected instant"),
        ({"timeRangeIndicator": 4, "P2": 6}, "2t with stepType accum; expected instant"),
        ({"timeRangeIndicator": 123}, "2t with stepType avgua; expected instant"),
        ({"edition": 2, "productDefinitionTemplateNumber": 2, "derivedForecast": 4},
         "2t with derivedForecast, a statistic of an ensemble; expected an analysis or a forecast"),
        ({"edition": 2, "productDefinitionTemplateNumber": 1, "number": 3},
         "2t with number 3, a member of an ensemble; expected an analysis or the control"),
    ],
)  # fmt: skip
def test_a_field_of_another_kind_is_left_out_and_told(tmp_path: Path, keys, reason):
    found = write(tmp_path / "x", message(FIELD, **keys))
    assert not found.data_vars
    assert left_out(found) == (reason,)


@pytest.mark.parametrize(
    "keys",
    [{"type": "fc", "P1": 6}, {"type": "cf"}, {"type": "4v"}, {"edition": 2},
     {"edition": 2, "typeOfProcessedData": 255}, {"timeRangeIndicator": 10, "P2": 6}],
)  # fmt: skip
def test_analyses_and_forecasts_of_any_kind_are_weather(tmp_path: Path, keys):
    found = write(tmp_path / "x", message(FIELD, **keys))
    np.testing.assert_allclose(found["2m_temperature"][0], FIELD, atol=1e-3)
    assert left_out(found) == ()


def test_an_analysis_beside_the_spread_of_its_ensemble_is_used(tmp_path: Path):
    coarse = np.array([70.0, 72.0])
    found = write(
        tmp_path / "x",
        message(np.full((3, 2), 0.3), type="es", longitude=coarse), message(FIELD),
    )  # fmt: skip
    np.testing.assert_allclose(found["2m_temperature"][0], FIELD, atol=1e-3)
    assert len(left_out(found)) == 1


@pytest.mark.parametrize("keys", [{"P1": 6, "P2": 7, "timeRangeIndicator": 4}, {"P1": 1}, {}])
def test_sums_of_the_hour_before_are_what_the_archive_keeps(tmp_path: Path, keys):
    found = write(tmp_path / "x", message(RAIN, short_name="tp", **keys))
    assert list(found.data_vars) == ["total_precipitation"]


@pytest.mark.parametrize(
    ("keys", "hours"),
    [({"P1": 0, "P2": 3, "timeRangeIndicator": 4}, 3.0), ({"P1": 6}, 6.0),
     ({"edition": 2, "stepRange": "0-12"}, 12.0),
     ({"edition": 2, "stepUnits": "m", "stepRange": "0-60"}, 1.0)],
)  # fmt: skip
def test_sums_of_other_hours_have_another_name(tmp_path: Path, keys, hours):
    found = write(tmp_path / "x", message(RAIN, short_name="tp", **keys))
    if hours == 1:
        assert list(found.data_vars) == ["total_precipitation"]
        return
    assert list(found.data_vars) == ["total_precipitation_of_several_hours"]
    assert found["hours_summed_total_precipitation"].values.tolist() == [hours]


def test_half_hours_are_half_hours():
    tp = variable("total_precipitation")
    assert hours_of_sum(tp, step_type="accum", start=0, end=30, unit="m") == 0.5
    assert hours_of_sum(tp, step_type="accum", start=1, end=2, unit="D") == 24.0
    assert hours_of_sum(tp, step_type="instant", start=5, end=5, unit="h") == 5.0
    t2m = variable("2m_temperature")
    assert hours_of_sum(t2m, step_type="instant", start=5, end=5, unit="h") == 0.0
    with pytest.raises(KeyError):
        hours_of_sum(tp, step_type="accum", start=0, end=1, unit="century")


def test_what_is_not_said_speaks_against_nothing():
    for table in (variable("2m_temperature"), variable("total_precipitation")):
        assert other_kind(table, step_type=None) is None
        assert other_kind(table, step_type="unknown", data_type="unknown", member=0) is None
    assert other_kind(variable("total_precipitation"), step_type="max") is not None


def test_reasons_end_a_message_and_many_are_counted():
    assert because(()) == ""
    assert because(("a", "b")) == "; left out: a; b"
    assert because(tuple("abcde")) == "; left out: a; b; c (and 2 more)"


def test_a_step_type_that_eccodes_does_not_know_is_refused_by_name(tmp_path: Path):
    content = bytearray(message(FIELD))
    content[8 + 20] = 77  # time range indicator: octet 21 of section 1
    with pytest.raises(DataError, match="x: found a GRIB message that cannot be read"):
        write(tmp_path / "x", bytes(content))
