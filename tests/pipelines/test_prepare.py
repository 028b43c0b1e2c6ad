import json
import shutil
from pathlib import Path

import dask.array
import numpy as np
import pytest
import xarray as xr
import zarr

from met2net.training_set import TrainingSet
from pipelines.archive import ArchiveState, open_archive
from pipelines.errors import DataError
from pipelines.ingest import ingest
from pipelines.period import Period
from pipelines.prepare import Splits, TrainingSetSettings, _chunk_hours, build_training_set
from pipelines.regrid import GridSettings
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.training_statistics import training_statistics
from tests.builders import FIELDS, FakeSource, make_month

SPLITS = Splits(
    train=Period("2016-01-02", "2016-01-08T11"),
    validation=Period("2016-01-09", "2016-01-10"),
    test=Period("2016-01-11", "2016-01-12"),
)
VARIABLES = {"u10": ("u10",), "t2m": ("t2m",), "r": ("r1000", "r850")}
SETTINGS = TrainingSetSettings(VARIABLES, SPLITS)
LABELS = ("u10", "t2m", "r1000", "r850")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> ArchiveState:
    """Thirteen days of made-up weather."""
    return make_archive(tmp_path_factory.mktemp("archive"), FakeSource())


@pytest.fixture(scope="module")
def store(archive: ArchiveState, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The training set that most tests look at."""
    return build_training_set(archive, SETTINGS, folder=tmp_path_factory.mktemp("store"))


def make_archive(folder: Path, source: FakeSource) -> ArchiveState:
    return ingest(
        source,
        period=Period("2016-01-01", "2016-01-13"),
        fields=FIELDS,
        grid=GridSettings(),
        raw_folder=folder / "raw",
        path=folder / "archive",
    )


def physical(period: Period) -> np.ndarray:
    """Channels of a period as the fake source gives them: (time, channel, lat, lon)."""
    month = make_month(period.hours())
    humidity = month["relative_humidity"]
    arrays = [month["10m_u_component_of_wind"], month["2m_temperature"],
              humidity.sel(level=1000), humidity.sel(level=850)]  # fmt: skip
    return np.stack([a.values for a in arrays], axis=1).astype(np.float64)


def test_store_holds_hours_and_splits_from_first_to_last(store: Path):
    dataset = xr.open_zarr(store, chunks=None)
    hours = Period("2016-01-02", "2016-01-12").hours()
    np.testing.assert_array_equal(dataset["time"].values, hours)
    split = dataset["split"].values
    assert split.dtype == np.int8
    assert np.bincount(split).tolist() == [12, 156, 48, 48]
    assert split[156] == 0  # 2016-01-08T12
    assert dataset["channel"].values.tolist() == list(LABELS)
    assert dataset["units"].values.tolist() == ["m s-1", "K", "%", "%"]
    assert set(dataset["expver"].values.tolist()) == {"0001"}
    assert dataset["data"].dtype == np.float32


def test_statistics_are_of_the_training_split_alone(store: Path):
    dataset = xr.open_zarr(store, chunks=None)
    train = physical(SPLITS.train)
    np.testing.assert_allclose(dataset["mean"], train.mean(axis=(0, 2, 3)), rtol=1e-12)
    np.testing.assert_allclose(dataset["std"], train.std(axis=(0, 2, 3)), rtol=1e-12)
    difference = train[6:] - train[:-6]
    np.testing.assert_allclose(
        dataset["difference_std"], difference.std(axis=(0, 2, 3)), rtol=1e-12
    )
    for name in ("mean", "std", "difference_std"):
        assert dataset[name].dtype == np.float64


def test_fields_are_normalized_with_them(store: Path):
    dataset = xr.open_zarr(store, chunks=None)
    column = (slice(None), None, None)
    fields = dataset["data"] * dataset["std"].values[column] + dataset["mean"].values[column]
    np.testing.assert_allclose(fields, physical(Period("2016-01-02", "2016-01-12")), rtol=1e-5,
                               atol=1e-5)  # fmt: skip


def test_climatology_of_less_than_two_years_is_by_hour_of_day(store: Path):
    climatology = xr.open_zarr(store, chunks=None)["climatology"]
    assert climatology.dims == ("dayofyear", "hour", "channel", "latitude", "longitude")
    assert climatology.shape[:2] == (1, 24)
    fields = TrainingSet.open(store).fields[:156]
    expected = [fields[hour::24].mean(axis=0) for hour in range(24)]
    np.testing.assert_allclose(climatology[0], expected, atol=1e-6)


def test_attributes_tell_where_it_comes_from(store: Path, archive: ArchiveState):
    attrs = xr.open_zarr(store, chunks=None).attrs
    assert attrs["archive_snapshot"] == archive.snapshot_id
    assert attrs["fingerprint"] == store.stem
    assert attrs["attribution"] == "Contains made-up weather."
    assert attrs["source"] == "fake"
    assert json.loads(attrs["variables"]) == {k: list(v) for k, v in VARIABLES.items()}
    assert json.loads(attrs["settings"])["splits"]["test"]["start"] == "2016-01-11"


def test_statistics_do_not_depend_on_chunks(archive: ArchiveState):
    dataset = open_archive(Path(archive.path), archive.snapshot_id)
    fields = dask.array.stack(
        [dataset["2m_temperature"].data, dataset["10m_u_component_of_wind"].data], axis=1
    )
    times = dataset["time"].values.astype("datetime64[h]")
    in_train = SPLITS.train.contains(times)
    results = [
        training_statistics(
            fields.rechunk(chunks), times=times, in_train=in_train, channels=("t2m", "u10")
        )
        for chunks in ((24, 1, -1, -1), (7, 2, 2, 3), (-1, 2, -1, -1))
    ]
    for result in results[1:]:
        for name in ("mean", "std", "difference_std"):
            np.testing.assert_array_equal(getattr(result, name), getattr(results[0], name))


def test_pairs_of_differences_lie_exactly_six_hours_apart():
    # Training hours 0, 6, 7, 12, 14: pairs (0, 6) and (6, 12); values rise by 1 and by 3.
    hours = np.array([0, 6, 7, 10, 12, 14])
    values = np.array([0.0, 1.0, 50.0, 90.0, 4.0, 60.0])
    fields = dask.array.from_array(np.tile(values[:, None, None, None], (1, 1, 2, 2)), chunks=2)
    result = training_statistics(
        fields, times=hours.astype("datetime64[h]"), in_train=hours != 10, channels=("t2m",)
    )
    assert result.difference_std.tolist() == [1.0]
    assert result.mean.tolist() == [23.0]


def test_same_settings_find_the_store_again(store: Path, archive: ArchiveState):
    written = store.stat().st_mtime_ns
    assert build_training_set(archive, SETTINGS, folder=store.parent) == store
    assert store.stat().st_mtime_ns == written
    assert [p.name for p in store.parent.iterdir() if p.suffix != ".lock"] == [store.name]


def test_other_order_of_channels_is_another_training_set(archive: ArchiveState, tmp_path: Path):
    names = set()
    for groups in (("t2m", "u10"), ("u10", "t2m")):
        settings = TrainingSetSettings({label: (label,) for label in groups}, SPLITS)
        path = build_training_set(archive, settings, folder=tmp_path)
        assert TrainingSet.open(path).channels == groups
        names.add(path)
    assert len(names) == 2


def test_other_snapshot_is_another_training_set(store: Path, tmp_path: Path):
    other = make_archive(tmp_path, FakeSource(seed=1))
    assert build_training_set(other, SETTINGS, folder=tmp_path).name != store.name


def test_leftover_of_a_killed_run_is_built_anew(store: Path, archive: ArchiveState, tmp_path: Path):
    leftover = tmp_path / f".{store.stem}.partial"
    leftover.mkdir()
    (leftover / "zarr.json").write_text("{}")
    path = build_training_set(archive, SETTINGS, folder=tmp_path)
    assert not leftover.exists()
    np.testing.assert_array_equal(TrainingSet.open(path).fields, TrainingSet.open(store).fields)


def damage_metadata(path: Path) -> None:
    (path / "zarr.json").write_text("{")


def damage_chunk(path: Path) -> None:
    (path / "data" / "c" / "3" / "0" / "0" / "0").unlink()


def damage_fingerprint(path: Path) -> None:
    metadata = path / "zarr.json"
    metadata.write_text(metadata.read_text().replace(path.stem, "0123456789abcdef"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_metadata, "cannot open .*remove the folder"),
        (damage_chunk, "has 10 chunks of data; expected 11: remove the folder"),
        (damage_fingerprint, "fingerprint '0123456789abcdef'; expected"),
    ],
)
def test_broken_store_is_refused(store: Path, archive: ArchiveState, tmp_path: Path, damage,
                                 message: str):  # fmt: skip
    shutil.copytree(store, tmp_path / store.name)
    damage(tmp_path / store.name)
    with pytest.raises(DataError, match=message):
        build_training_set(archive, SETTINGS, folder=tmp_path)


def test_split_outside_the_archive_is_refused(archive: ArchiveState, tmp_path: Path):
    splits = Splits(SPLITS.train, SPLITS.validation, Period("2016-01-11", "2016-01-14"))
    with pytest.raises(
        DataError,
        match="split test is .*archive holds 2016-01-01T00 to 2016-01-13T23: 24 hours are "
        "missing, the first 2016-01-14T00",
    ):
        build_training_set(archive, TrainingSetSettings(VARIABLES, splits), folder=tmp_path)
    assert not list(tmp_path.glob("*.zarr"))


@pytest.mark.parametrize(
    ("label", "message"),
    [("msl", "expected also mean_sea_level_pressure"), ("r500", r"\[850, 1000\] hPa; expected")],
)
def test_channel_the_archive_lacks_is_refused(
    archive: ArchiveState, tmp_path: Path, label: str, message: str
):
    with pytest.raises(DataError, match=message):
        build_training_set(
            archive, TrainingSetSettings({"x": (label,)}, SPLITS), folder=tmp_path
        )  # fmt: skip


def test_missing_value_is_refused_wherever_it_lies(tmp_path: Path):
    fields = {"sea_surface_temperature": ()}

    class Sea(FakeSource):
        def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
            month = make_month(request.hours, fields=request.fields)
            month["sea_surface_temperature"][250, 1, :2] = np.nan  # in the test split
            return RawMonth(month, {"source": "fake"})

    state = ingest(
        Sea(), period=Period("2016-01-01", "2016-01-13"), fields=fields, grid=GridSettings(),
        raw_folder=tmp_path / "raw", path=tmp_path / "archive",
    )  # fmt: skip
    with pytest.raises(
        DataError, match="channel sst has no finite value at 2 points at 2016-01-11T10"
    ):
        build_training_set(state, TrainingSetSettings({"sst": ("sst",)}, SPLITS), folder=tmp_path)
    assert not list(tmp_path.glob(".*.partial"))


def test_constant_channel_is_refused():
    fields = dask.array.full((20, 1, 3, 4), 0.1, chunks=5, dtype=np.float32)
    times = np.arange(20).astype("datetime64[h]")
    with pytest.raises(DataError, match="channel tcc is 0.1 everywhere in the training split"):
        training_statistics(fields, times=times, in_train=times == times, channels=("tcc",))


def test_training_split_shorter_than_a_difference_is_refused():
    fields = dask.array.random.default_rng(0).normal(size=(20, 1, 3, 4))
    times = np.arange(20).astype("datetime64[h]")
    with pytest.raises(DataError, match="has 6 hours, no two of them 6 hours apart"):
        training_statistics(
            fields, times=times, in_train=np.arange(20) < 6, channels=("tcc",)
        )  # fmt: skip


def test_training_split_without_some_hour_of_day_is_refused(archive: ArchiveState, tmp_path: Path):
    splits = Splits(Period("2016-01-02T00", "2016-01-02T10"), SPLITS.validation, SPLITS.test)
    with pytest.raises(DataError, match="no climatology of the training split: .*hours of day"):
        build_training_set(archive, TrainingSetSettings(VARIABLES, splits), folder=tmp_path)


@pytest.mark.parametrize(
    ("validation", "names"),
    [
        (Period("2016-01-08T11", "2016-01-10"), r"train \(.*\) and validation"),
        (Period("2016-01-09", "2016-01-11T00"), r"validation \(.*\) and test"),
    ],
)
def test_overlapping_splits_are_refused(validation: Period, names: str):
    with pytest.raises(ValueError, match=names):
        Splits(SPLITS.train, validation, SPLITS.test)


@pytest.mark.parametrize(
    ("variables", "smoothing_days", "message"),
    [
        ({}, 61, "no channels"),
        ({"uv": ()}, 61, "no channels"),
        ({"a": ("t2m",), "b": ("t2m", "u10")}, 61, "channels t2m occur twice"),
        ({"a": ("t3m",)}, 61, "unknown channel 't3m'"),
        ({"a": ("t2m",)}, 60, "smoothing_days is 60; expected an odd number"),
        ({"a": ("t2m",)}, 367, "smoothing_days is 367"),
    ],
)
def test_impossible_settings_are_refused(variables, smoothing_days: int, message: str):
    with pytest.raises(ValueError, match=message):
        TrainingSetSettings(variables, SPLITS, smoothing_days)


def test_chunks_are_shorter_where_fields_are_large():
    assert _chunk_hours(dask.array.zeros((48, 5, 32, 64))) == 24
    assert _chunk_hours(dask.array.zeros((48, 5, 181, 360))) == 12
    assert _chunk_hours(dask.array.zeros((48, 5, 721, 1440))) == 1


def test_store_is_plain_zarr_version_3(store: Path):
    assert zarr.open_group(store, mode="r").metadata.zarr_format == 3
