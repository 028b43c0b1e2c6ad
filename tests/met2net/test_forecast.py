import dataclasses

import numpy as np
import pytest
import torch
import xarray as xr

from met2net.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.windows import WindowSpec
from met2net.forecast import Forecaster
from met2net.forecast_inputs import init_hours, plain_numbers
from met2net.models.build import build
from met2net.models.linear_reference import LinearReference
from met2net.models.met2net import Met2Net
from tests.met2net.models.model_builders import SIZES, randomize

GRID = Grid((25.0, 24.0, 23.0), (110.0, 111.0, 112.0, 113.0))
INIT = np.datetime64("2020-01-01T18")
UNITS = {"u10": "m s-1", "t2m": "K", "msl": "Pa", "r850": "%", "r1000": "%", "t850": "K"}
NAMES = {
    "u10": ("10m_u_component_of_wind", None),
    "t2m": ("2m_temperature", None),
    "msl": ("mean_sea_level_pressure", None),
    "r850": ("relative_humidity", 850),
    "r1000": ("relative_humidity", 1000),
    "t850": ("temperature", 850),
}


def make_forecaster(labels=("t2m", "r1000", "r850"), *, window=None) -> Forecaster:
    torch.manual_seed(0)
    variables = {label: (label,) for label in labels}
    window = window or WindowSpec((-6, 0), (6, 12, 18))
    network = Met2Net(
        variables=variables,
        num_inputs=window.num_inputs,
        num_targets=window.num_targets,
        num_heads=2,
        **SIZES,
    )
    checkpoint = Checkpoint(
        network=randomize(network),
        settings={},
        normalizer=Normalizer(
            tuple(labels),
            tuple(180.0 + i for i in range(len(labels))),
            tuple(2.0 + i for i in range(len(labels))),
        ),
        grid=GRID,
        window=window,
        variables=variables,
        units=tuple(UNITS[label] for label in labels),
        provenance={"archive_snapshot": "ABC"},
    )
    return Forecaster(checkpoint)


def correcting_linear(forecaster: Forecaster) -> Forecaster:
    """Put the network around a linear forecast that the season and the hour move."""
    checkpoint, frames = forecaster.checkpoint, (2, 3)
    settings = {
        "_target_": "met2net.models.linear_reference.LinearReference",
        "variables": checkpoint.variables,
        "linear": {
            "num_channels": 3, "grid_shape": list(GRID.shape), "input_hours": [-6, 0],
            "target_hours": [6, 12, 18], "frames": [0, 1], "stencil": 3, "num_bands": 1,
            "num_seasons": 9, "num_hours": 4,
        },
        "forecaster": {
            "_target_": "met2net.models.met2net.Met2Net", "_partial_": True, "num_heads": 2,
            "num_inputs": frames[0], "num_targets": frames[1], **SIZES,
        },
    }  # fmt: skip
    network = build(settings)
    assert isinstance(network, LinearReference)
    linear = network.linear
    with torch.no_grad():
        linear.weights.normal_(std=0.05)
        linear.climatology.terms.normal_(std=0.5)
    network.set_linear(linear, scale=torch.ones(3), residual=torch.full((3, 3), 0.5))
    randomize(network.forecaster)
    return Forecaster(dataclasses.replace(checkpoint, network=network, settings=settings))


def make_dataset(labels=("t2m", "r1000", "r850"), *, hours: int = 24) -> xr.Dataset:
    rng = np.random.default_rng(0)
    time = np.datetime64("2020-01-01T00", "ns") + np.arange(hours).astype("timedelta64[h]")
    levels = sorted({NAMES[label][1] for label in labels} - {None})
    variables = {}
    for label in labels:
        name, level = NAMES[label]
        shape = (hours, len(levels), *GRID.shape) if level else (hours, *GRID.shape)
        dims = ("time", "level") if level else ("time",)
        values = (180 + rng.normal(size=shape)).astype(np.float32)
        variables[name] = ((*dims, "latitude", "longitude"), values, {"units": UNITS[label]})
    coords = {"time": time, "latitude": list(GRID.latitude), "longitude": list(GRID.longitude)}
    return xr.Dataset(variables, coords=coords | ({"level": levels} if levels else {}))


def test_predict_normalizes_runs_and_denormalizes():
    forecaster = make_forecaster()
    inputs = np.random.default_rng(0).normal(180, 3, size=(2, 2, 3, 3, 4)).astype(np.float32)
    mean = np.array([180.0, 181.0, 182.0])[:, None, None]
    std = np.array([2.0, 3.0, 4.0])[:, None, None]
    normalized = torch.from_numpy(((inputs - mean) / std).astype(np.float32))
    with torch.no_grad():
        expected = forecaster.checkpoint.network(normalized).numpy() * std + mean
    found = forecaster.predict(inputs)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_forecast_reads_the_right_hours_and_channels():
    forecaster, dataset = make_forecaster(), make_dataset()
    forecast = forecaster.forecast(dataset, INIT)
    inputs = np.stack(
        [
            dataset["2m_temperature"].values[[12, 18]],
            dataset["relative_humidity"].values[[12, 18], 1],
            dataset["relative_humidity"].values[[12, 18], 0],
        ],
        axis=1,
    )
    expected = forecaster.predict(inputs[None])
    np.testing.assert_array_equal(forecast["2m_temperature"], expected[:, :, 0])
    humidity = forecast["relative_humidity"]
    assert humidity.dims == ("init_time", "lead_time", "level", "latitude", "longitude")
    np.testing.assert_array_equal(humidity.sel(level=1000), expected[:, :, 1])
    np.testing.assert_array_equal(humidity.sel(level=850), expected[:, :, 2])


def test_forecast_names_times_units_and_provenance():
    forecast = make_forecaster().forecast(make_dataset(), "2020-01-01T18")
    assert forecast["2m_temperature"].dims == ("init_time", "lead_time", "latitude", "longitude")
    hours = forecast["lead_time"].values.astype("timedelta64[h]").astype(int).tolist()
    assert hours == [6, 12, 18]
    assert forecast["valid_time"].values[0, 1] == np.datetime64("2020-01-02T06")
    assert forecast["2m_temperature"].attrs == {
        "units": "K",
        "long_name": "2m temperature",
        "standard_name": "air_temperature",
    }
    assert forecast["relative_humidity"].attrs["units"] == "%"
    assert forecast["level"].attrs["units"] == "hPa"
    assert forecast.attrs["archive_snapshot"] == "ABC"


def test_a_forecast_has_no_attribution_where_there_is_none():
    forecaster = make_forecaster()
    for text in ("", "Copernicus"):
        forecaster.checkpoint.provenance["attribution"] = text
        attrs = forecaster.forecast(make_dataset(), "2020-01-01T18").attrs
        assert attrs.get("attribution", "") == text and ("attribution" in attrs) == bool(text)


def test_a_forecast_survives_netcdf(tmp_path):
    forecast = make_forecaster().forecast(make_dataset(), INIT)
    forecast.to_netcdf(tmp_path / "forecast.nc", engine="h5netcdf")
    with xr.open_dataset(
        tmp_path / "forecast.nc", engine="h5netcdf", decode_timedelta=True
    ) as read:
        xr.testing.assert_equal(read.load(), forecast)


def test_variables_of_differing_levels_are_named_by_label():
    labels = ("t850", "r850", "r1000", "t2m")
    forecast = make_forecaster(labels).forecast(make_dataset(labels), INIT)
    assert set(forecast.data_vars) == {"t850", "r850", "r1000", "2m_temperature"}
    assert forecast["r850"].attrs["level"] == "850 hPa"
    assert "level" not in forecast.dims


def test_channel_order_of_the_dataset_does_not_matter():
    forecaster, dataset = make_forecaster(), make_dataset()
    turned = dataset[["relative_humidity", "2m_temperature"]].isel(level=[1, 0])
    turned = turned.transpose("longitude", "level", "latitude", "time")
    xr.testing.assert_equal(forecaster.forecast(dataset, INIT), forecaster.forecast(turned, INIT))


def test_pressures_keep_their_digits():
    forecaster = make_forecaster(("msl",))
    checkpoint = forecaster.checkpoint
    normalizer = Normalizer(("msl",), (101_325.123,), (0.01,))
    forecaster = Forecaster(dataclasses.replace(checkpoint, normalizer=normalizer))
    # 101325.125 is exact in float32 and lies 0.2 standard deviations above the mean.
    inputs = np.full((1, 2, 1, 3, 4), 101_325.125, dtype=np.float32)
    with torch.no_grad():
        expected = checkpoint.network(torch.full((1, 2, 1, 3, 4), 0.2)).double() * 0.01
    found = forecaster.predict(inputs).astype(np.float64)
    # Spacing of float32 numbers near 1e5 is 0.008.
    np.testing.assert_allclose(found, expected.numpy() + 101_325.123, rtol=0, atol=0.004)


@pytest.mark.parametrize("training", [True, False])
def test_predicting_changes_neither_modes_nor_buffers(training):
    forecaster = make_forecaster()
    network = forecaster.checkpoint.network.train(training)
    inputs = np.full((1, 2, 3, 3, 4), 180, dtype=np.float32)
    np.testing.assert_array_equal(forecaster.predict(inputs), forecaster.predict(inputs))
    assert network.training is training


def test_wrong_arrays_are_refused():
    forecaster = make_forecaster()
    inputs = np.full((1, 2, 3, 3, 4), 180, dtype=np.float32)
    with pytest.raises(ValueError, match=r"shape \(2, 3, 3, 3\) a sample; expected \(2, 3, 3, 4\)"):
        forecaster.predict(inputs[..., :3])
    inputs[0, 1, 2, 0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite in r850; expected none"):
        forecaster.predict(inputs)


def units_in_celsius(dataset: xr.Dataset) -> xr.Dataset:
    dataset["2m_temperature"].attrs["units"] = "degC"
    return dataset


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.drop_vars("2m_temperature"), "no variable '2m_temperature'; found: relative"),
        (lambda d: d.isel(longitude=slice(3)), "dataset has grid 3 x 3 .*; expected 3 x 4 points"),
        (lambda d: d.drop_vars("latitude"), "no coordinate 'latitude'"),
        (lambda d: d.isel(time=slice(18)), "no fields at 2020-01-01T18; expected 2 hours"),
        (lambda d: d.isel(time=slice(13, None)), "no fields at 2020-01-01T12"),
        (lambda d: d.drop_vars("time"), "dataset has no axis 'time' of datetime64"),
        (lambda d: d.sel(level=[850]), "relative_humidity has levels 850; expected 1000"),
        (lambda d: d.isel(level=0), "relative_humidity has levels none; expected 1000"),
        (lambda d: d.where(d["time"] != INIT), "not finite in t2m, r1000, r850"),
        (units_in_celsius, "2m_temperature has units 'degC'; expected 'K'"),
    ],
)
def test_wrong_datasets_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        make_forecaster().forecast(change(make_dataset()), INIT)


HOURS = np.array(["2020-01-01T18"], dtype="datetime64[h]")


@pytest.mark.parametrize(
    "init_time", [HOURS, HOURS.astype("datetime64[ns]"), ["2020-01-01T18"], HOURS.astype(np.int64)]
)
def test_init_times_are_taken_in_every_form(init_time):
    assert init_hours(init_time).tolist() == [438306]  # 50 years, 12 leap days and 18 hours


@pytest.mark.parametrize(
    ("init_time", "match"),
    [
        (None, "found no init_time; expected one a sample"),
        (["2020-01-01T18", "2020-01-02T18"], "found 2 init times; expected 1, one a sample"),
        (["2020-01-01T18:30"], "does not lie on a full hour"),
        (np.array([1.5]), "init_time is of type float64; expected datetime64"),
        (np.array([["2020-01-01"]]), "init_time has 2 axes; expected one"),
    ],
)
def test_a_model_that_needs_the_init_time_says_so(init_time, match):
    forecaster = correcting_linear(make_forecaster())
    inputs = np.full((1, 2, 3, *GRID.shape), 181.0, dtype=np.float32)
    assert forecaster.needs_init_time and not make_forecaster().needs_init_time
    with pytest.raises(ValueError, match=match):
        forecaster.predict(inputs, init_time)


def test_a_roll_out_knows_the_hour_of_every_step():
    """Four steps past the trained lead times, against forecasts made one after the other."""
    forecaster, dataset = correcting_linear(make_forecaster()), make_dataset()
    rolled = forecaster.forecast(dataset, INIT, num_leads=12)
    inputs, start = dataset, INIT
    for step in range(4):
        part = forecaster.forecast(inputs, start)
        np.testing.assert_allclose(
            rolled["2m_temperature"].values[0, 3 * step : 3 * step + 3],
            part["2m_temperature"].values[0], rtol=1e-6,
        )  # fmt: skip
        observed = part.isel(init_time=0).swap_dims(lead_time="valid_time").drop_vars("lead_time")
        inputs = observed.rename(valid_time="time").reset_coords(drop=True)
        start = start + np.timedelta64(18, "h")
    other = forecaster.predict(*_window(dataset), ["2020-07-01T06"])
    same = forecaster.predict(*_window(dataset), [INIT])
    assert np.abs(other - same).max() > 0.1  # another season is another climatology


def _window(dataset: xr.Dataset) -> tuple[np.ndarray]:
    hours = [INIT - np.timedelta64(6, "h"), INIT]
    fields = [
        dataset[name].sel(time=hours, **({"level": level} if level else {})).values
        for name, level in (NAMES[label] for label in ("t2m", "r1000", "r850"))
    ]
    return (np.stack(fields, axis=1)[None],)


def test_a_checkpoint_carries_the_linear_forecast(tmp_path):
    forecaster, dataset = correcting_linear(make_forecaster()), make_dataset()
    save_checkpoint(tmp_path / "model.safetensors", forecaster.checkpoint)
    loaded = Forecaster(load_checkpoint(tmp_path / "model.safetensors"))
    expected = forecaster.forecast(dataset, INIT)
    xr.testing.assert_equal(loaded.forecast(dataset, INIT), expected)


def test_bounds_keep_forecasts_possible_and_are_off_by_default():
    plain = make_forecaster()
    inputs = np.random.default_rng(0).normal(180, 3, size=(1, 2, 3, 3, 4)).astype(np.float32)
    free = plain.predict(inputs)
    middle = [float(np.median(free[:, :, place])) for place in range(3)]
    own = {"t2m": (middle[0], np.inf), "r850": (-np.inf, middle[2])}
    bounded = Forecaster(plain.checkpoint, bounds=own).predict(inputs)
    np.testing.assert_array_equal(
        bounded[:, :, 0], np.maximum(free[:, :, 0], np.float32(middle[0]))
    )
    np.testing.assert_array_equal(bounded[:, :, 1], free[:, :, 1])  # above 0: nothing to bound
    np.testing.assert_array_equal(
        bounded[:, :, 2], np.minimum(free[:, :, 2], np.float32(middle[2]))
    )
    assert free[:, :, 0].min() < middle[0] and free[:, :, 2].max() > middle[2]
    assert Forecaster(plain.checkpoint, bounds=True)._bounds == {1: (0.0, np.inf), 2: (0.0, np.inf)}
    # A roll-out goes on from bounded forecasts.
    rolled = Forecaster(plain.checkpoint, bounds=own).roll_out(inputs, num_leads=6)
    assert rolled[:, :, 0].min() >= np.float32(middle[0])
    again = Forecaster(plain.checkpoint, bounds=own).predict(bounded[:, 1:])
    np.testing.assert_array_equal(rolled[:, 3:], again)
    for wrong, message in (
        ({"tcc": (0.0, 1.0)}, "bounds has tcc; expected some of: t2m, r1000, r850"),
        ({"t2m": (1.0, 1.0)}, "bounds of t2m are 1.0 to 1.0; expected low < high"),
    ):
        with pytest.raises(ValueError, match=message):
            Forecaster(plain.checkpoint, bounds=wrong)


def test_the_service_s_names_and_other_axes_are_read():
    forecaster, dataset = make_forecaster(), make_dataset()
    expected = forecaster.forecast(dataset, INIT)
    levels = {
        f"r{level}": dataset["relative_humidity"].sel(level=level, drop=True)
        for level in (850, 1000)
    }
    labelled = xr.Dataset({"t2m": dataset["2m_temperature"], **levels})
    turned = dataset.rename(latitude="lat", longitude="lon", time="valid_time").sortby("lat")
    short = dataset.rename({"2m_temperature": "2t", "relative_humidity": "r"})
    pascals = dataset.rename(level="plev").assign_coords(
        plev=("plev", [85_000.0, 100_000.0], {"units": "Pa"})
    )
    for other in (labelled, turned, short, pascals):
        xr.testing.assert_equal(forecaster.forecast(other, INIT), expected)
    named = dataset.rename({"2m_temperature": "T"})
    xr.testing.assert_equal(forecaster.forecast(named, INIT, names={"t2m": "T"}), expected)
    twice = dataset.assign(t2m=dataset["2m_temperature"])
    with pytest.raises(ValueError, match="has 2m_temperature, t2m; expected one variable for t2m"):
        forecaster.forecast(twice, INIT)
    ensemble = dataset.expand_dims(number=2)
    with pytest.raises(ValueError, match="has dimensions number, time, .*; expected time, lat"):
        forecaster.forecast(ensemble, INIT)
    radians = turned.assign_coords(lat=("lat", turned["lat"].values, {"units": "radian"}))
    with pytest.raises(ValueError, match="lat has units 'radian'; expected degrees"):
        forecaster.forecast(radians, INIT)


def make_inputs(forecaster: Forecaster) -> np.ndarray:
    """Two samples around the means."""
    checkpoint, rng = forecaster.checkpoint, np.random.default_rng(0)
    normalizer = checkpoint.normalizer
    mean, std = (np.array(x)[:, None, None] for x in (normalizer.mean, normalizer.std))
    shape = (2, checkpoint.window.num_inputs, len(normalizer.channels), *checkpoint.grid.shape)
    return (mean + 0.1 * std * rng.normal(size=shape)).astype(np.float32)


@pytest.mark.parametrize(
    "number", [1_577_901_600, 1_577_901_600_000_000_000, -62_135_596_800]
)  # seconds, nanoseconds, seconds before 1970
def test_numbers_that_count_something_else_than_hours_are_no_init_times(number):
    with pytest.raises(ValueError, match=rf"init_time goes up to {number}; expected whole hours"):
        init_hours(np.array([number]))


def test_what_is_masked_has_no_value_whatever_lies_under_the_mask():
    forecaster = make_forecaster()
    inputs = make_inputs(forecaster)
    plain = forecaster.predict(inputs)
    np.testing.assert_array_equal(forecaster.predict(np.ma.masked_array(inputs)), plain)
    mask = np.zeros(inputs.shape, dtype=bool)
    mask[0, 1, 0, 2, 1] = True
    for use in (forecaster.predict, forecaster.roll_out):
        with pytest.raises(ValueError, match="inputs hold values that are not finite in t2m"):
            use(np.ma.masked_array(inputs, mask=mask))


@pytest.mark.parametrize("kind", [complex, object, str])
def test_other_numbers_than_real_ones_are_refused(kind):
    with pytest.raises(TypeError, match="inputs are of type .*; expected real numbers"):
        plain_numbers(np.zeros(3).astype(kind))


@pytest.mark.parametrize(
    ("change", "init_time", "message"),
    [
        (lambda d: d, "2020-01-01T18:30", "init_time 2020-01-01T18:30.* not lie on a full hour"),
        (lambda d: xr.concat([d, d], "time"), INIT, "2020-01-01T18 more than once"),
        (lambda d: d.assign_coords(time=np.arange(d.sizes["time"])), INIT,
         r"no axis 'time' of datetime64 \(found one of int64\); expected hours, UTC"),
    ],
)  # fmt: skip
def test_hours_that_are_not_what_they_must_be_are_told(change, init_time, message):
    with pytest.raises(ValueError, match=message):
        make_forecaster().forecast(change(make_dataset()), init_time)
