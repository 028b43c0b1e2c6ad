"""A forecaster of a channel that land lacks: no number in, no number out, at these points alone."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest
import torch
import xarray as xr

import met2net
from met2net.checkpoint import Checkpoint, content_of, load_checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.training_set import TrainingSet
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import WindowSpec
from met2net.export import _PhysicalForecast
from met2net.forecast import Forecaster
from met2net.models.build import build
from met2net.models.known_inputs import KnownInputs
from met2net.models.met2net import Met2Net
from met2net.models.own_classes import settings_of
from met2net.training.settings import OptimizationSettings
from tests.met2net.models.model_builders import SIZES, randomize

GRID = Grid((25.0, 24.0, 23.0), (110.0, 111.0, 112.0, 113.0))
MASK = np.ones((2, 3, 4), dtype=bool)
MASK[1, 0, 1:] = False
SETTINGS = {
    "_target_": "met2net.models.met2net.Met2Net", "variables": {"t2m": ["t2m"], "sst": ["sst"]},
    "num_inputs": 2, "num_targets": 2, "num_heads": 2, **SIZES,
}  # fmt: skip
MUMBAI = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "era5-mumbai"


def make_checkpoint(valid: ValidPoints | None) -> Checkpoint:
    return Checkpoint(
        network=randomize(build(SETTINGS)),
        settings=SETTINGS,
        normalizer=Normalizer(("t2m", "sst"), (285.0, 290.0), (3.0, 2.0)),
        grid=GRID,
        window=WindowSpec((-1, 0), (1, 2)),
        variables={"t2m": ("t2m",), "sst": ("sst",)},
        units=("K", "K"),
        provenance={},
        valid=valid,
    )


def make_inputs() -> np.ndarray:
    normal = np.random.default_rng(0).normal(size=(2, 2, 2, 3, 4)).astype(np.float32)
    return np.where(MASK, 288 + normal, np.nan)


def test_forecasts_and_roll_outs_are_blank_where_there_was_no_value():
    forecaster = Forecaster(make_checkpoint(ValidPoints(MASK)))
    forecast = forecaster.predict(make_inputs())
    assert forecast.dtype == np.float32 and (np.isnan(forecast) == ~MASK).all()
    long = forecaster.roll_out(make_inputs(), num_leads=5)
    assert (np.isnan(long) == ~MASK).all()
    np.testing.assert_array_equal(long[:, :2], forecast)


@pytest.mark.parametrize("stands", [0.0, -9999.0, np.inf, 290.0])
def test_what_inputs_hold_there_changes_nothing(stands):
    forecaster = Forecaster(make_checkpoint(ValidPoints(MASK)))
    other = np.where(MASK, make_inputs(), np.float32(stands))
    np.testing.assert_array_equal(forecaster.predict(other), forecaster.predict(make_inputs()))


def test_no_number_anywhere_else_is_refused():
    inputs = make_inputs()
    inputs[0, 0, 0, 0, 1] = np.nan  # where sst has none, of another channel
    with pytest.raises(
        ValueError,
        match="not finite in t2m; expected none but at the points where sst had no value",
    ):
        Forecaster(make_checkpoint(ValidPoints(MASK))).predict(inputs)
    with pytest.raises(ValueError, match="not finite in sst; expected none$"):
        Forecaster(make_checkpoint(None)).predict(make_inputs())


def test_the_mask_travels_in_the_file_and_names_it(tmp_path):
    masked, plain = tmp_path / "masked", tmp_path / "plain"
    save_checkpoint(masked, make_checkpoint(ValidPoints(MASK)))
    save_checkpoint(plain, make_checkpoint(None))
    valid = load_checkpoint(masked).valid
    assert valid is not None
    np.testing.assert_array_equal(valid.mask, MASK)
    assert load_checkpoint(plain).valid is None
    assert content_of(masked) != content_of(plain)
    assert b'\\"format\\": 4' in masked.read_bytes() and b'\\"format\\": 3' in plain.read_bytes()
    with pytest.raises(ValueError, match=r"the mask has shape \(2, 2, 4\); expected \(2, 3, 4\)"):
        make_checkpoint(ValidPoints(MASK[:, 1:]))


def test_an_exported_program_fills_and_blanks_as_the_forecaster_does():
    checkpoint = make_checkpoint(ValidPoints(MASK))
    program = _PhysicalForecast(checkpoint)  # what is exported; exporting it takes seconds
    inputs = make_inputs()
    np.testing.assert_allclose(
        program(torch.from_numpy(inputs.astype(np.float64))).detach().numpy(),
        Forecaster(checkpoint).predict(inputs), rtol=1e-5,
    )  # fmt: skip


def test_an_encoder_sees_masks_of_forecast_channels_alone():
    with pytest.raises(ValueError, match="masked has tp; expected some of t2m, sst"):
        KnownInputs(
            variables=SETTINGS["variables"], forecaster=Met2Net, fields=["valid_mask"],
            input_hours=[0], target_hours=[1], latitude=[0.0], longitude=[0.0], masked=["tp"],
        )  # fmt: skip


@pytest.mark.skipif(not MUMBAI.is_dir(), reason="the real ERA5 files (../shared/data) are not here")
def test_the_sea_off_mumbai_is_learned_and_scored_where_there_is_sea(tmp_path):
    """Half a month of real ERA5; statistics and scores by an independent reading of the file."""
    file = MUMBAI / "era5_2025_01.nc"
    with xr.open_dataset(file) as opened:
        dataset = opened[["t2m", "sst"]].isel(valid_time=slice(0, 15 * 24)).load()
    data = TrainingSet.from_dataset(
        dataset,
        variables={"t2m": ["t2m"], "sst": ["sst"]},
        splits={
            "train": ("2025-01-01", "2025-01-09"), "validation": ("2025-01-10", "2025-01-12"),
            "test": ("2025-01-13", "2025-01-15"),
        },
    )  # fmt: skip
    with netCDF4.Dataset(file) as plain:  # masked arrays, by another reader
        sst = plain["sst"][: 15 * 24].astype(np.float64)
        if not np.ma.is_masked(sst):  # NaN is declared as no fill value
            sst = np.ma.masked_invalid(sst)
        north_first = plain["latitude"][0] > plain["latitude"][-1]
    sst = sst if north_first else sst[:, ::-1]
    train, test = sst[: 9 * 24], sst[12 * 24 :]
    assert data.masked == ("sst",) and data.valid is not None
    np.testing.assert_array_equal(data.valid.mask[1], ~np.ma.getmaskarray(sst)[0])
    assert data.valid.counts.tolist() == [20, 13]
    np.testing.assert_allclose(data.mean[1], train.mean(), rtol=1e-9)
    np.testing.assert_allclose(data.std[1], train.std(), rtol=1e-6)

    network = settings_of(
        Met2Net, num_heads=2, down_sampling=False,
        **{**SIZES, "num_blocks": 1},
    )  # fmt: skip
    window = WindowSpec.regular(num_inputs=2, num_targets=2)
    forecaster = met2net.train(
        data, window=window, network=network,
        optimization=OptimizationSettings(
            max_epochs=1, batch_size=16, learning_rate=1e-3, schedule="constant",
            batches_per_epoch=4,
        ),
    )  # fmt: skip
    scores = met2net.score_forecasts({"mine": forecaster}, data)
    forecaster.save(tmp_path / "model.safetensors")
    again = Forecaster.load(tmp_path / "model.safetensors")
    start = dataset["valid_time"].values[12 * 24 + 1]
    forecast = again.forecast(dataset, start)["sea_surface_temperature"].values[0]
    np.testing.assert_array_equal(np.isnan(forecast[0]), np.ma.getmaskarray(sst)[0])

    fields = np.stack(
        [dataset["t2m"].values[12 * 24 :], test.filled(np.nan)], axis=1
    )  # as a user has them: no number over land
    inits = np.arange(1, len(test) - 2)
    inputs = np.stack([fields[init - 1 : init + 1] for init in inits])
    predicted = again.predict(inputs)[:, :, 1]
    persisted = np.repeat(test[inits][:, None], 2, axis=1)
    truth = np.ma.stack([test[init + 1 : init + 3] for init in inits])
    for name, made in (("mine", predicted), ("persistence", persisted)):
        error = np.ma.masked_invalid(made) - truth
        expected = np.ma.sqrt((error**2).mean(axis=(0, 2, 3)))
        found = scores["score"].sel(model=name, metric="rmse", weighting="plain", channel="sst")
        np.testing.assert_allclose(found, expected.filled(np.nan), rtol=2e-4)
    assert torch.isfinite(torch.from_numpy(scores["normalized_rmse"].values)).all()
