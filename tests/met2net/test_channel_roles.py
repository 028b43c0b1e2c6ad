"""Channels that are only seen, and channels that are only forecast: what leaves no trace where."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import xarray as xr

import met2net
from met2net.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from met2net.data.grid import Grid
from met2net.data.normalization import Normalizer
from met2net.data.training_set import TrainingSet
from met2net.data.valid_points import ValidPoints
from met2net.data.windows import WindowSpec
from met2net.export import export_forecaster
from met2net.forecast import Forecaster
from met2net.forecasting.ridge import fit_ridge
from met2net.models.baselines.convlstm import ConvLSTM
from met2net.models.build import build
from met2net.models.linear_reference import LinearReference
from met2net.models.met2net import Met2Net
from met2net.models.own_classes import settings_of
from met2net.models.reference_frame import ReferenceFrame
from met2net.training import scheduled_sampling
from met2net.training.conventional import ReconstructThenPredict
from met2net.training.high_frequency import HighFrequencyFocal, high_frequency_focal_loss
from met2net.training.objective import EndToEnd
from met2net.training.references import fit_objective, set_references
from met2net.training.scheduled_sampling import ScheduledSampling
from met2net.training.settings import OptimizationSettings
from met2net.training.squared_error import SquaredError
from tests.met2net.models.model_builders import SIZES, randomize

GRID = Grid((25.0, 24.0, 23.0), (110.0, 111.0, 112.0, 113.0))
LABELS = ("sst", "t2m", "tp")
WINDOW = WindowSpec(
    (-1, 0), (1, 2), stride_hours=2, input_only=("sst",), output_only=("tp",)
)  # sst is seen, tp is forecast, t2m is both
NAMES = {"t2m": "2m_temperature", "sst": "sea_surface_temperature", "tp": "total_precipitation"}
SPLITS = {
    "train": ("2020-01-01", "2020-01-06"),
    "validation": ("2020-01-07", "2020-01-08"),
    "test": ("2020-01-09", "2020-01-10"),
}
MEAN, STD = np.array([290.0, 285.0, 5e-4]), np.array([1.0, 3.0, 1e-4])
NETWORK = settings_of(Met2Net, num_heads=2, **SIZES | {"num_blocks": 1})
RECURRENT = settings_of(ConvLSTM, hidden_dim=4, num_layers=1, kernel_size=3, patch_size=1)
OPTIMIZATION = OptimizationSettings(
    max_epochs=1, batch_size=8, learning_rate=1e-3, schedule="constant", batches_per_epoch=3
)


def make_data(**others: np.ndarray) -> TrainingSet:
    """Ten days in which precipitation follows from the temperatures two hours before."""
    rng = np.random.default_rng(0)
    hours = np.arange(240)
    wave = np.sin(2 * np.pi * hours / 24)[:, None, None]
    normal = {label: wave + rng.normal(size=(240, *GRID.shape)) for label in ("sst", "t2m")}
    before = np.roll(normal["sst"] + normal["t2m"], 2, axis=0)
    normal["tp"] = 0.6 * before + 0.1 * rng.normal(size=before.shape)
    fields = {
        label: (MEAN[i] + STD[i] * normal[label]).astype(np.float32)
        for i, label in enumerate(LABELS)
    } | others
    axes = ("time", "latitude", "longitude")
    time = np.datetime64("2020-01-01", "ns") + hours.astype("timedelta64[h]")
    dataset = xr.Dataset(
        {NAMES[label]: (axes, values) for label, values in fields.items()},
        coords={"time": time, "latitude": list(GRID.latitude), "longitude": list(GRID.longitude)},
    )
    variables = {label: [label] for label in LABELS}
    return TrainingSet.from_dataset(dataset, variables=variables, splits=SPLITS)


def make_checkpoint(window: WindowSpec = WINDOW, *, valid: ValidPoints | None = None) -> Checkpoint:
    settings = NETWORK | {
        "variables": {label: [label] for label in LABELS}, "num_inputs": 2, "num_targets": 2,
    }  # fmt: skip
    return Checkpoint(
        network=randomize(build(settings)),
        settings=settings,
        normalizer=Normalizer(LABELS, tuple(MEAN), tuple(STD)),
        grid=GRID,
        window=window,
        variables={label: (label,) for label in LABELS},
        units=("K", "K", "m"),
        provenance={},
        valid=valid,
    )


def make_inputs() -> np.ndarray:
    """Two samples of two frames of sst and t2m."""
    normal = np.random.default_rng(1).normal(size=(2, 2, 2, *GRID.shape))
    return MEAN[:2, None, None] + STD[:2, None, None] * normal


def test_a_forecast_is_that_of_the_network_without_precipitation_before():
    """By hand: three channels in, of which one is at its mean; two of three out."""
    checkpoint = make_checkpoint()
    assert checkpoint.input_channels == ("sst", "t2m")
    assert checkpoint.output_channels == ("t2m", "tp")
    every = np.full((2, 2, 3, *GRID.shape), MEAN[:, None, None])
    every[:, :, :2] = make_inputs()
    plain = Forecaster(replace(checkpoint, window=WindowSpec((-1, 0), (1, 2), stride_hours=2)))
    found = Forecaster(checkpoint).predict(make_inputs())
    assert found.shape == (2, 2, 2, *GRID.shape)
    np.testing.assert_allclose(found, plain.predict(every)[:, :, 1:], rtol=1e-6)


def test_in_a_roll_out_the_sea_stays_as_it_was_and_rain_is_never_seen():
    checkpoint = make_checkpoint()
    plain = Forecaster(replace(checkpoint, window=WindowSpec((-1, 0), (1, 2), stride_hours=2)))
    frames = np.full((2, 2, 3, *GRID.shape), MEAN[:, None, None])
    frames[:, :, :2] = make_inputs()
    parts = []
    for _ in range(3):
        parts.append(plain.predict(frames))
        frames = parts[-1].astype(np.float64)
        frames[:, :, 0] = make_inputs()[:, -1:, 0]
        frames[:, :, 2] = MEAN[2]
    expected = np.concatenate(parts, axis=1)[:, :5, 1:]
    found = Forecaster(checkpoint).roll_out(make_inputs(), num_leads=5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_dataset_needs_what_is_seen_and_a_forecast_holds_what_is_asked_for():
    inputs = make_inputs()[0]
    time = np.array(["2020-03-01T00", "2020-03-01T01"], dtype="datetime64[ns]")
    axes = ("time", "latitude", "longitude")
    dataset = xr.Dataset(
        {NAMES[x]: (axes, inputs[:, i].astype(np.float32)) for i, x in enumerate(LABELS[:2])},
        coords={"time": time, "latitude": list(GRID.latitude), "longitude": list(GRID.longitude)},
    )
    made = Forecaster(make_checkpoint()).forecast(dataset, "2020-03-01T01")
    assert list(made.data_vars) == ["2m_temperature", "total_precipitation"]
    assert [made[name].units for name in made.data_vars] == ["K", "m"]
    with pytest.raises(ValueError, match="sea_surface_temperature"):
        Forecaster(make_checkpoint()).forecast(dataset.drop_vars(NAMES["sst"]), "2020-03-01T01")
    with pytest.raises(ValueError, match=r"expected \(2, 2, 3, 4\): 2 frames of sst, t2m"):
        Forecaster(make_checkpoint()).predict(np.zeros((1, 2, 3, 3, 4)))


def test_the_file_says_the_roles_and_older_readers_refuse_it(tmp_path):
    save_checkpoint(tmp_path / "model", make_checkpoint())
    assert b'\\"format\\": 5' in (tmp_path / "model").read_bytes()
    loaded = load_checkpoint(tmp_path / "model")
    assert loaded.window == WINDOW
    np.testing.assert_array_equal(
        Forecaster(loaded).predict(make_inputs()),
        Forecaster(make_checkpoint()).predict(make_inputs()),
    )


def test_an_exported_program_takes_and_gives_the_same_channels():
    mask = np.ones((3, *GRID.shape), dtype=bool)
    mask[0, 1:] = mask[2, 0, 0] = False  # of what is only seen, and of what is only forecast
    checkpoint = make_checkpoint(valid=ValidPoints(mask))
    inputs = np.where(mask[:2], make_inputs(), np.nan)
    expected = Forecaster(checkpoint).predict(inputs)
    assert (np.isnan(expected) == ~mask[1:]).all()
    found = export_forecaster(checkpoint).module()(torch.from_numpy(inputs))
    np.testing.assert_allclose(found.detach().numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"input_only": ("z500",)}, "window.input_only has z500; expected some of sst, t2m, tp"),
        ({"input_only": LABELS}, "has all channels, sst, t2m, tp; expected one to be forecast"),
        ({"output_only": LABELS}, "has all channels, sst, t2m, tp; expected one to be seen"),
    ],
)
def test_roles_of_other_channels_are_refused(roles, message):
    window = WindowSpec((-1, 0), (1, 2), **roles)
    with pytest.raises(ValueError, match=message):
        make_data().windows("train", window)
    with pytest.raises(ValueError, match=message):
        make_checkpoint(window)


def test_a_channel_named_twice_or_a_text_is_refused():
    with pytest.raises(ValueError, match="name sst twice; expected a channel once"):
        WindowSpec((0,), (1,), input_only=("sst",), output_only=("sst",))
    with pytest.raises(ValueError, match="input_only is 'sst'; expected a list of channel labels"):
        WindowSpec.regular(num_inputs=1, num_targets=1, input_only="sst")
    with pytest.raises(ValueError, match="output_only is 'tp'; expected a list"):
        WindowSpec((0,), (1,), output_only="tp")
    assert WindowSpec((0,), (1,), input_only=()) == WindowSpec((0,), (1,))
    assert WindowSpec((0,), (1,), input_only=("a", "b")) == WindowSpec(
        (0,), (1,), input_only=["b", "a"]
    )


def test_windows_hold_nothing_of_what_is_not_seen():
    data = make_data()
    [sample] = data.windows("train", WINDOW).__getitems__([5])
    [whole] = data.windows("train", replace(WINDOW, output_only=None)).__getitems__([5])
    assert (sample["inputs"][:, 2] == 0).all()
    assert torch.equal(sample["inputs"][:, :2], whole["inputs"][:, :2])
    assert torch.equal(sample["targets"], whole["targets"])


def test_a_perfect_forecast_of_a_recurrent_network_costs_nothing(monkeypatch):
    """What input frames hold of the rain, its mean, is no truth that a frame is compared with."""
    data = make_data()
    [sample] = data.windows("train", WINDOW).__getitems__([5])
    [whole] = data.windows("train", replace(WINDOW, output_only=None)).__getitems__([5])
    truth = torch.cat([whole["inputs"][1:], whole["targets"]])[None]
    monkeypatch.setattr(scheduled_sampling, "_forecast_with_targets", lambda *_: truth + error)
    settings = RECURRENT | {
        "variables": {label: [label] for label in LABELS}, "num_inputs": 2, "num_targets": 2,
    }  # fmt: skip
    network, objective = build(settings), ScheduledSampling()
    fit_objective(objective, data, window=WINDOW)
    error = torch.zeros(())
    losses = objective(network, sample["inputs"][None], sample["targets"][None])
    assert losses["loss"].item() == 0.0
    # Of an error in the sea alone: it counts where the network is fed, not in what is asked for.
    error = torch.tensor([1.0, 0.0, 0.0])[:, None, None]
    losses = objective(network, sample["inputs"][None], sample["targets"][None])
    assert losses["loss"].item() == pytest.approx(3 / 8)  # 3 frames of 3, 3 and 2 channels
    assert losses["prediction_loss"].item() == 0.0


def test_the_loss_of_fine_structures_is_that_of_what_is_asked_for():
    forecast, targets = torch.randn(2, 2, 2, 3, *GRID.shape)
    objective = HighFrequencyFocal(weight=1.0)
    fit_objective(objective, make_data(), window=WINDOW)
    valid = objective.squared_error.valid
    found = high_frequency_focal_loss(forecast, targets, radius=0.1, valid=valid)
    alone = high_frequency_focal_loss(forecast[:, :, 1:], targets[:, :, 1:], radius=0.1)
    torch.testing.assert_close(found, alone)


def test_what_is_not_seen_has_no_anomaly_and_differs_from_its_mean():
    data = make_data()
    windows = [data.windows(split, WINDOW) for split in ("train", "validation")]
    ridge = fit_ridge(*windows, climatology=data.climatology, window=WINDOW)
    batch = windows[0].batch(np.arange(3))
    anomalies = ridge.forecast.anomalies(batch["inputs"], batch["init_time"])
    assert (anomalies[:, :, 2] == 0).all() and (anomalies[:, :, :2] != 0).all()
    frame = ReferenceFrame(
        variables=data.variables,
        forecaster=lambda **groups: Met2Net(**groups, num_inputs=2, num_targets=2, num_heads=2,
                                            **SIZES),
    )  # fmt: skip
    set_references(frame, data, window=WINDOW, ridge=lambda: pytest.fail("none is needed"))
    expected = data.difference_std / data.std
    np.testing.assert_allclose(frame.scale, [*expected[:2], 1.0], rtol=1e-6)


def test_the_loss_is_the_mean_over_what_is_asked_for():
    forecast, targets = torch.randn(2, 4, 2, 3, *GRID.shape)
    objective = EndToEnd()
    fit_objective(objective, make_data(), window=WINDOW)
    expected = (forecast - targets)[:, :, 1:].square().mean()
    torch.testing.assert_close(objective.squared_error(forecast, targets), expected)
    whole = objective.squared_error.of_every_channel(forecast, targets)
    torch.testing.assert_close(whole, (forecast - targets).square().mean())
    error = SquaredError()
    with pytest.raises(ValueError, match="no point of what is forecast has a value"):
        error.set_valid_points(torch.ones(3, 2, 2, dtype=torch.bool), asked=torch.zeros(3) > 0)


@pytest.mark.parametrize(
    ("network", "objective"),
    [
        (NETWORK, None),
        (NETWORK, EndToEnd()),
        (NETWORK, ReconstructThenPredict(reconstruction_share=0.5)),
        (RECURRENT, ScheduledSampling(decrease_per_step=0.4)),
    ],
    ids=["two stages", "end to end", "conventional", "recurrent"],
)
def test_every_objective_trains_with_roles(network, objective):
    forecaster = met2net.train(
        make_data(), window=WINDOW, network=network, objective=objective,
        optimization=OPTIMIZATION,
    )  # fmt: skip
    assert np.isfinite(forecaster.predict(make_inputs().astype(np.float32))).all()


@pytest.mark.parametrize("reference", [ReferenceFrame, LinearReference])
def test_what_a_network_corrects_sees_no_more_and_learns_the_rain(reference):
    """A ridge regression finds the rain in the temperatures before it, without rain before."""
    inner = settings_of(Met2Net, _partial_=True, num_heads=2, **SIZES | {"num_blocks": 1})
    data = make_data()
    forecaster = met2net.train(
        data, window=WINDOW, network=settings_of(reference, forecaster=inner),
        objective=EndToEnd(), optimization=OPTIMIZATION,
    )  # fmt: skip
    assert forecaster.checkpoint.output_channels == ("t2m", "tp")
    scores = met2net.score_forecasts({"mine": forecaster}, data)
    assert list(scores["channel"].values) == ["t2m", "tp"]
    assert list(scores["units"].values) == ["K", "m"]
    rmse = scores["score"].sel(metric="rmse", weighting="plain", channel="tp") / data.std[2]
    if reference is LinearReference:
        # Two hours ahead tp is 0.6 (sst + t2m) of the init time; one hour, of the hour before.
        assert (rmse.sel(model="mine") < 0.75 * rmse.sel(model="climatology")).all()
    # Nothing to persist: the climatology.
    for baseline in ("persistence", "anomaly_persistence"):
        np.testing.assert_allclose(rmse.sel(model=baseline), rmse.sel(model="climatology"))


def test_what_happened_to_the_sea_changes_no_loss():
    data = make_data()
    network = make_checkpoint().network
    [sample] = data.windows("test", WINDOW).__getitems__([3])
    other = sample["targets"].clone()
    other[:, 0] += 3.0
    objective = EndToEnd()

    def losses():
        return [
            objective(network, sample["inputs"][None], targets[None])["loss"].item()
            for targets in (sample["targets"], other)
        ]

    everything = losses()
    fit_objective(objective, data, window=WINDOW)
    asked = losses()
    assert everything[0] != everything[1] and asked[0] == asked[1]
