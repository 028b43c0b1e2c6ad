import json
import sys
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
import xarray as xr

from met2net.data.grid import Grid
from met2net.data.variables import variable
from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.sources import gcm, gcm_simulation, simulated_days
from pipelines.sources.gcm import Gcm
from pipelines.sources.simulated_days import simulate_days
from pipelines.sources.source import MonthRequest
from tests.simulator import needs_simulator

CLOCK = np.datetime64("2000-12-31T23", "h")
FIELDS = {"2m_temperature": (), "relative_humidity": (950,)}


JANUARY = Month(2001, 1)


def request(month: Month = JANUARY, *, hours: int | None = None, fields=FIELDS):
    return MonthRequest(month, month.hours()[:hours], fields)


def simulate(folder: Path, *, days: int, before: Path | int, name: str) -> xr.Dataset:
    fields, state = folder / f"{name}.nc", folder / f"{name}.state"
    simulate_days(days, clock=CLOCK, before=before, state=state, fields=fields)
    with xr.open_dataset(fields) as stored:
        return stored.load()


@pytest.mark.slow
@needs_simulator
def test_simulated_weather_goes_on_exactly_repeats_by_seed_and_looks_like_weather(tmp_path):
    whole = simulate(tmp_path, days=2, before=1, name="whole")
    first = simulate(tmp_path, days=1, before=1, name="first")
    simulate(tmp_path, days=1, before=2, name="other")  # leaves another state in the simulator
    second = simulate(tmp_path, days=1, before=tmp_path / "first.state", name="second")
    xr.testing.assert_identical(xr.concat([first, second], dim="time", data_vars="all"), whole)
    assert (tmp_path / "second.state").read_bytes() == (tmp_path / "whole.state").read_bytes()

    with xr.open_dataset(tmp_path / "other.nc") as other:
        assert not np.array_equal(other["2m_temperature"], first["2m_temperature"])

    hours = whole["time"].values
    assert hours[0] == np.datetime64("2001-01-01T00")
    assert np.all(np.diff(hours) == np.timedelta64(1, "h")) and len(hours) == 48
    assert Grid.from_dataset(whole).shape == (48, 96)
    assert Grid.from_dataset(whole).is_periodic
    for name, field in whole.data_vars.items():
        low, high = variable(str(name)).valid_range
        assert field.attrs["units"] == variable(str(name)).units
        assert field.dtype == np.float32
        if name != "surface_pressure":  # settles over mountains in the first days
            assert low <= float(field.min()) and float(field.max()) <= high, name

    (tmp_path / "broken.state").write_bytes(b"no state")
    with pytest.raises(DataError, match="no usable model state"):
        simulate(tmp_path, days=1, before=tmp_path / "broken.state", name="broken")

    # A new simulation has the form of one that goes on: its day is compiled once for both.
    jax = pytest.importorskip("jax")
    begun = gcm_simulation.simulator(CLOCK)
    begun.begin(seed=1)
    state = (begun._model.dycore_state, begun._model.physics_carry, begun._model.run_state.time)
    assert {type(leaf) for leaf in jax.tree.leaves(state)} == {np.ndarray}


def fake_days(days, *, clock, before, state, fields=None, keep=None):
    """Stand in for the simulation: every field holds the number of hours since the clock."""
    start = 0 if isinstance(before, int) else int(before.read_text())
    state.write_text(str(start + 24 * days))
    if fields is None:
        return
    count = start + 1 + np.arange(24 * days)
    surface, levels = ("time", "latitude", "longitude"), gcm_simulation.LEVELS
    values = np.broadcast_to(count[:, None, None], (len(count), 2, 2)).astype(np.float32)
    layered = np.repeat(values[:, None], len(levels), axis=1)
    day = xr.Dataset(
        {name: (surface, values) for name in gcm._SURFACE_FIELDS}
        | {name: (("time", "level", *surface[1:]), layered) for name in gcm._LEVEL_FIELDS},
        coords={
            "time": (clock + count).astype("datetime64[ns]"), "level": list(levels),
            "latitude": [1.0, -1.0], "longitude": [0.0, 180.0],
        },
    )  # fmt: skip
    simulated_days._write(keep(day), fields)


@pytest.fixture
def fake_simulation(monkeypatch):
    calls = []

    def simulate(days, **settings):
        calls.append((days, settings["fields"] is not None if "fields" in settings else False))
        fake_days(days, **settings)

    monkeypatch.setattr(gcm, "simulate_days", simulate)
    return calls


def test_a_month_holds_the_wanted_hours_and_fields(tmp_path, fake_simulation):
    month = Gcm(spin_up_days=2).fetch(request(hours=5), tmp_path)
    assert month.dataset["time"].values[0] == np.datetime64("2001-01-01T00")
    assert month.dataset.sizes == {"time": 5, "latitude": 2, "longitude": 2, "level": 1}
    assert list(month.dataset.data_vars) == list(FIELDS)
    assert month.dataset["expver"].values.tolist() == ["0000"] * 5
    assert fake_simulation == [(2, False), (31, True)]
    assert month.manifest["settings"]["seed"] == 0
    assert [len(file["sha256"]) for file in month.manifest["files"]] == [64, 64]
    json.dumps(month.manifest)


def test_months_follow_each_other_and_kept_ones_cost_nothing(tmp_path, fake_simulation):
    source = Gcm(spin_up_days=2)
    march = source.fetch(request(Month(2001, 3)), tmp_path)
    assert fake_simulation == [(2, False), (31, True), (28, True), (31, True)]
    clock = np.datetime64("2000-12-29T23")
    since = (march.dataset["time"].values - clock) / np.timedelta64(1, "h")
    np.testing.assert_array_equal(march.dataset["2m_temperature"].values[:, 0, 0], since)
    source.fetch(request(Month(2001, 2)), tmp_path)
    source.fetch(request(Month(2001, 4)), tmp_path)
    assert fake_simulation[4:] == [(30, True)]


def test_other_settings_are_other_weather(tmp_path, fake_simulation):
    for source in (Gcm(), Gcm(seed=1), Gcm(spin_up_days=30)):
        source.fetch(request(hours=1), tmp_path)
    assert len(list((tmp_path / "gcm").iterdir())) == 3


def test_a_broken_off_month_is_simulated_again_from_the_end_of_the_spin_up(
    tmp_path, fake_simulation
):
    Gcm().fetch(request(), tmp_path)
    (record,) = tmp_path.rglob("2001-01.json")
    record.unlink()
    Gcm().fetch(request(), tmp_path)
    assert fake_simulation == [(60, False), (31, True), (31, True)]


def test_a_damaged_month_is_refused(tmp_path, fake_simulation):
    Gcm().fetch(request(), tmp_path)
    (fields,) = tmp_path.rglob("2001-01.nc")
    fields.write_bytes(fields.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"2001-01\.nc: found .* expected"):
        Gcm().fetch(request(), tmp_path)
    fields.unlink()
    with pytest.raises(DataError, match="found no file"):
        Gcm().fetch(request(), tmp_path)


@pytest.mark.parametrize(
    ("month", "fields", "text"),
    [
        (Month(2000, 12), FIELDS, "starts with 2001-01, found a request for 2000-12"),
        (Month(2001, 1), {"sea_surface_temperature": ()}, "found a request for sea_surface_temp"),
        (Month(2001, 1), {"relative_humidity": (1000,)}, r"on levels \(1000,\); expected some of"),
    ],
)
def test_what_is_not_simulated_is_refused_before_simulating(tmp_path, month, fields, text):
    with pytest.raises(DataError, match=text):
        Gcm().fetch(request(month, fields=fields), tmp_path)


@pytest.mark.parametrize(
    "settings",
    [{"seed": -1}, {"spin_up_days": 0}, {"levels": (1000,)}, {"levels": ()},
     {"level_fields": ("vorticity",)}, {"start": "01-2001"}],
)  # fmt: skip
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError):
        Gcm(**settings)


def test_the_source_tells_its_name_and_needs_no_attribution():
    assert (Gcm().name, Gcm().attribution) == ("gcm", None)


def test_a_missing_or_other_simulator_is_refused_with_advice(monkeypatch):
    def absent(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(gcm_simulation.metadata, "version", absent)
    with pytest.raises(DataError, match=r"not installed; .*\.\[simulator\]"):
        gcm_simulation.Simulator(CLOCK)
    monkeypatch.setattr(gcm_simulation.metadata, "version", lambda name: "2.0")
    with pytest.raises(DataError, match=r"found jcm 2\.0; expected jcm 3\.0\.0"):
        gcm_simulation.Simulator(CLOCK)


def test_importing_the_source_does_not_import_the_simulator(tmp_path, fake_simulation):
    before = "jax" in sys.modules
    Gcm().fetch(request(), tmp_path)
    assert ("jax" in sys.modules) == before


def test_an_unstable_simulation_is_refused(monkeypatch):
    class Result:
        dynamics = physics = None

        def time_labels(self):
            return np.array(["2001-01-01T00"], dtype="datetime64[ms]")

    class Model:
        def resume(self, **_):
            return Result()

    unstable = object.__new__(gcm_simulation.Simulator)
    unstable._model, unstable._forcing = Model(), None
    bad = {"2m_temperature": np.full((1, 2, 2), np.nan, dtype=np.float32)}
    monkeypatch.setattr(gcm_simulation, "_fields", lambda *_: bad)
    with pytest.raises(DataError, match="2m_temperature is not finite on 2001-01-01"):
        unstable.day()
