"""A Dataset in memory is a training set only where it is what its names and units say."""

from collections.abc import Callable

import numpy as np
import pytest
import xarray as xr

from met2net.data.dataset_fields import DatasetFields
from met2net.data.training_set import TrainingSet

HOURS = np.datetime64("2020-01-01T00", "ns") + np.arange(24 * 8) * np.timedelta64(1, "h")
SPLITS = {
    "train": ("2020-01-01", "2020-01-05"),
    "validation": ("2020-01-06", "2020-01-06"),
    "test": ("2020-01-07", "2020-01-08"),
}


def make_dataset(**attrs: object) -> xr.Dataset:
    """Eight days of 2 m temperature and wind."""
    rng = np.random.default_rng(0)
    dims, shape = ("time", "latitude", "longitude"), (len(HOURS), 3, 2)
    return xr.Dataset(
        {
            "t2m": (dims, 285.0 + rng.normal(size=shape), {"units": "K", **attrs}),
            "u10": (dims, rng.normal(size=shape), {"units": "m s-1"}),
        },
        coords={"time": HOURS, "latitude": [20.0, 19.0, 18.0], "longitude": [70.0, 71.0]},
    )


def train_on(dataset: xr.Dataset, *labels: str, names: dict[str, str] | None = None) -> TrainingSet:
    groups = {label: [label] for label in labels or ("t2m", "u10")}
    return TrainingSet.from_dataset(dataset, variables=groups, splits=SPLITS, names=names)


def test_weather_is_taken() -> None:
    assert train_on(make_dataset()).channels == ("t2m", "u10")


def in_celsius(dataset: xr.Dataset, **attrs: object) -> xr.Dataset:
    return dataset.assign(t2m=(dataset["t2m"] - 273.15).drop_attrs().assign_attrs(attrs))


def with_one(value: float, dataset: xr.Dataset) -> xr.Dataset:
    dataset["t2m"].values[5, 1, 0] = value
    return dataset


def with_height(dataset: xr.Dataset, name: str, metres: float) -> xr.Dataset:
    """As read from a file in which one field has a height, which xarray gives to all."""
    dataset = dataset.assign_coords(height=metres)
    dataset[name].encoding["coordinates"] = "height"
    return dataset


def test_the_height_of_one_field_is_no_other_s() -> None:
    assert train_on(with_height(make_dataset(), "u10", 10.0)).channels == ("t2m", "u10")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: in_celsius(d, units="degC"), "t2m has units 'degC'; expected 'K'"),
        (in_celsius, r"t2m \(2m temperature\) is 1\d\.\d+ K at 2020-01-01T00, latitude 20, long.*"
                     "the whole field looks like degrees Celsius"),
        (lambda d: in_celsius(d, units="K"), "the whole field looks like degrees Celsius"),
        (lambda d: with_one(1e20, d), r"is 1e\+20 K at 2020-01-01T05, latitude 19, longitude 70"),
        (lambda d: d.assign(t2m=d["t2m"].assign_attrs(cell_methods="time: maximum")),
         "t2m is no 2m temperature: found t2m with cell_methods 'time: maximum'"),
        (lambda d: d.assign(t2m=d["t2m"].assign_attrs(long_name="2m temperature anomaly")),
         "found t2m with long_name '2m temperature anomaly'; expected the variable itself"),
        (lambda d: with_height(d, "u10", 100.0),
         "u10 is no 10m u component of wind: found u10 with height of 100 m; expected 10 m"),
        (lambda d: d.rename(latitude="y").assign_coords(latitude=("y", [20.0, 19.0, 18.0])),
         "latitude is a coordinate along y; expected an axis of a regular grid"),
    ],
)  # fmt: skip
def test_what_is_something_else_than_it_says_is_refused(
    change: Callable[[xr.Dataset], xr.Dataset], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        train_on(change(make_dataset()))


def test_a_name_that_the_caller_gives_does_not_overrule_what_the_field_says() -> None:
    warm = make_dataset(cell_methods="time: maximum").rename(t2m="TMAX")
    with pytest.raises(ValueError, match="TMAX is no 2m temperature: found t2m with cell_methods"):
        train_on(warm, names={"t2m": "TMAX"})
    plain = make_dataset().rename(t2m="T_2M")
    assert train_on(plain, names={"t2m": "T_2M"}).channels == ("t2m", "u10")


def test_a_member_of_an_ensemble_is_weather_to_who_picks_it() -> None:
    member = make_dataset().assign_coords(number=3)
    fields = DatasetFields.of(member).read("t2m", times=HOURS[:2])
    np.testing.assert_array_equal(fields, member["t2m"].values[:2])
