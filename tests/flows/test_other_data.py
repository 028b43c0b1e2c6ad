"""Experiments on data that are not hourly ERA5: from their files to what is trained on."""

from pathlib import Path

import netCDF4
import numpy as np
import pytest

from flows import full_experiment as flow
from flows.settings.backfill import load_backfill
from flows.settings.config import Experiment, load_experiment
from flows.settings.config_error import ConfigError
from flows.settings.early_checks import check_early
from flows.settings.forecast import load_forecast
from flows.settings.monthly import load_monthly
from met2net.checkpoint import load_checkpoint
from met2net.data import variables
from met2net.data.training_set import TrainingSet
from met2net.data.variables import channel, is_channel, required_fields
from met2net.forecast import Forecaster
from pipelines.archive.check import check_archive
from pipelines.archive.state import ArchiveState, open_archive
from pipelines.errors import DataError
from pipelines.period import Month

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FOLDERS = {
    "era5_global_6h": "era5-global-6h",
    "ncep_north_america": "ncep-north-america-6h",
    "era5_coral_sea": "era5-coral-sea",
}
TWO_WEEKS = {
    "era5_global_6h": ("2025-12-01", "2025-12-08", "2025-12-11", "2025-12-14"),
    "ncep_north_america": ("2013-01-01", "2013-01-24", "2013-01-29", "2013-02-03"),
}
needs_data = pytest.mark.skipif(
    not all((DATA / folder).is_dir() for folder in FOLDERS.values()),
    reason="the files of other sources (../shared/data) are not here",
)


@pytest.fixture(autouse=True)
def nothing_added(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variables, "_ADDED", {})


def short(name: str, workspace: Path, *more: str) -> Experiment:
    """Load an experiment of the configuration on two weeks, or all, of its files."""
    days = []
    if name in TWO_WEEKS:
        first, train, validation, last = TWO_WEEKS[name]
        after = [str(np.datetime64(day) + 1) for day in (train, validation)]
        days = [
            f"data.period.start={first}", f"data.period.end={last}",
            f"data.splits.train.start={first}", f"data.splits.train.end={train}",
            f"data.splits.validation.start={after[0]}", f"data.splits.validation.end={validation}",
            f"data.splits.test.start={after[1]}", f"data.splits.test.end={last}",
        ]  # fmt: skip
    return load_experiment([
        f"experiment={name}", f"source.folder={DATA / FOLDERS[name]}", f"workspace={workspace}",
        *days, *more,
    ])  # fmt: skip


def in_file(name: str, variable: str, *, num: int) -> np.ndarray:
    """Read the first fields as they lie in the file."""
    [path] = (DATA / FOLDERS[name]).glob("*.nc")
    with netCDF4.Dataset(path) as file:
        return np.asarray(file[variable][:num], dtype=np.float32)


@needs_data
@pytest.mark.parametrize(
    ("name", "names", "step", "num"),
    [
        ("era5_global_6h", {"msl": "msl", "vo850": "vo"}, 6, 14 * 4),
        ("ncep_north_america", {"t2m": "air"}, 6, 34 * 4),
        ("era5_coral_sea", {"msl": "msl", "u10": "u10", "v10": "v10"}, 1, 73),
    ],
)
def test_what_is_trained_on_is_what_the_file_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, names: dict[str, str], step: int,
    num: int,
) -> None:  # fmt: skip
    experiment = short(name, tmp_path)
    check_early(experiment)
    state = flow.update_archive.fn(experiment)
    assert isinstance(state, ArchiveState)
    store = flow.prepare.fn(experiment, state)
    monkeypatch.setattr(variables, "_ADDED", {})  # as in another process
    archive = open_archive(state.path)
    assert check_archive(state.path) == []
    hours = archive["time"].values.astype("datetime64[h]")
    assert len(hours) == num
    assert set(np.diff(hours).astype(int)) == {step}
    data = TrainingSet.open(store)
    assert data.channels == tuple(names)
    for label, own in names.items():
        parsed, raw = channel(label), in_file(name, own, num=num)
        field = archive[parsed.variable.name]
        field = field if parsed.level is None else field.sel(level=parsed.level)
        np.testing.assert_array_equal(field.values, raw)
        place = data.channels.index(label)
        train = raw[data.in_split("train")].astype(np.float64)
        assert data.mean[place] == pytest.approx(train.mean(), rel=1e-9)
        assert data.std[place] == pytest.approx(train.std(), rel=1e-9)
        changes = train[6 // step :] - train[: -(6 // step)]
        assert data.difference_std[place] == pytest.approx(changes.std(), rel=1e-9)
        # Means by hour of day: of every sixth hour, four.
        assert data.climatology.values.shape[1] == 24 // step
        at_noon = (train[data.hours[data.in_split("train")] % 24 == 12]).mean(axis=0)
        found = data.climatology.at(np.array([12]))[0, place] * data.std[place] + data.mean[place]
        np.testing.assert_allclose(found, at_noon, rtol=1e-5, atol=1e-4 * data.std[place])


@needs_data
@pytest.mark.long
def test_a_forecaster_of_other_data_knows_its_variables(tmp_path: Path) -> None:
    experiment = short(
        "era5_global_6h", tmp_path, "~models.tau", "~models.tau_single", "scale=smoke",
    )  # fmt: skip
    state = flow.update_archive.fn(experiment)
    assert isinstance(state, ArchiveState)
    store = flow.prepare.fn(experiment, state)
    run = flow.open_run_folder(experiment, store)
    checkpoint = flow._train(experiment, "met2net", store, run)
    variables._ADDED.clear()
    assert not is_channel("vo850")
    loaded = load_checkpoint(checkpoint)
    assert variables.variable("vorticity").units == "s-1"
    made = Forecaster(loaded).forecast(state.open(), np.datetime64("2025-12-14T18"))
    assert made["lead_time"].values.astype("timedelta64[h]").astype(int).tolist() == [6, 12, 18, 24]
    assert made["vorticity"].attrs["units"] == "s-1"
    assert made["vorticity"].dims == ("init_time", "lead_time", "level", "latitude", "longitude")
    assert np.isfinite(made["vorticity"]).all()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["data.step_hours=5"], "data.step_hours is 5; expected one of 1, 2, 3, 4, 6, 8, 12, 24"),
        (["data.window.step_hours=3"],
         "data.window has input_hours -9, -6, -3, 0; expected multiples of data.step_hours, 6 h"),
        (["data.definitions.vorticity.label=t"],
         "data.definitions.vorticity: vorticity has label 't', which is that of temperature"),
        (["source.names={vo: vo_850}"], "names.vo is 'vo_850'; expected the long name"),
        (["+data.definitions.graupel={label: gr, units: kg m-2}"],
         "data.definitions.graupel.valid_range is missing; expected a list of"),
    ],
)  # fmt: skip
def test_settings_that_make_no_sense_are_refused(overrides: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load_experiment(["experiment=era5_global_6h", *overrides])
    assert message in str(refused.value)


def test_a_definition_at_the_terminal_adds_a_variable() -> None:
    experiment = load_experiment([
        "experiment=mumbai", "data.variables.blh=[blh]",
        "data.definitions.boundary_layer_height={label: blh, units: m, valid_range: [0, 15000]}",
    ])  # fmt: skip
    assert "boundary_layer_height" in required_fields(experiment.channels)


@needs_data
def test_files_of_another_step_say_which(tmp_path: Path) -> None:
    experiment = short("ncep_north_america", tmp_path, "data.step_hours=1")
    with pytest.raises(DataError, match=r"2m_temperature for 124 of 744 hours of 2013-01; .* "
                                        r"every 6 hours: set data.step_hours=6$"):  # fmt: skip
        flow.update_archive.fn(experiment)


def test_hourly_experiments_keep_the_names_of_what_they_made() -> None:
    """Names as they were before time steps and definitions were known."""
    experiment = load_experiment(["experiment=mumbai", "source.folder=/data/mumbai"])
    assert set(experiment.inputs) == {"source", "grid", "splits", "normalization"}
    assert set(experiment.inputs["source"]) == {"class", "pattern", "attribution"}


def test_all_commands_go_by_the_step_and_find_the_same_archive() -> None:
    given = [f"source.folder={DATA / FOLDERS['ncep_north_america']}", "workspace=/w"]
    backfill = load_backfill(
        ["data=ncep_north_america", "source=ncep_north_america", "period=2013-01/2013-02", *given]
    )
    experiment = ["experiment=ncep_north_america", *given]
    places = {backfill.archive, load_forecast(experiment).archive, load_monthly(experiment).archive}
    assert len(places) == 1
    assert load_monthly([*experiment, "data.step_hours=3"]).archive not in places
    first, second = backfill.requests()
    np.testing.assert_array_equal(first.hours, Month(2013, 1).hours(6))
    np.testing.assert_array_equal(second.hours, Month(2013, 2).hours(6))
    with pytest.raises(ConfigError, match="step_hours is 7; expected one of 1, 2, 3"):
        load_backfill(["data=ncep_north_america", "source=cds", "data.step_hours=7"])
