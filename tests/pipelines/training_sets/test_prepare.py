import gc
import json
import os
import shutil
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
import zarr

from met2net.data.fields import chunk_path
from met2net.data.grid import equiangular
from met2net.data.training_set import TrainingSet
from pipelines.archive.ingest import ingest
from pipelines.archive.state import ArchiveState
from pipelines.cluster import Distributed, LocalCluster, Threads
from pipelines.errors import DataError
from pipelines.fields import verify_month
from pipelines.fields.target_grids import GridSettings
from pipelines.period import Period
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.training_sets.prepare import build_training_set
from pipelines.training_sets.settings import TrainingSetSettings
from pipelines.training_sets.splits import Splits
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


def contents(store: Path) -> dict[str, bytes]:
    """Read every file of a store: arrays, chunks and attributes."""
    return {str(p.relative_to(store)): p.read_bytes() for p in store.rglob("*") if p.is_file()}


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


def test_same_settings_find_the_store_again(store: Path, archive: ArchiveState):
    written = store.stat().st_mtime_ns
    assert build_training_set(archive, SETTINGS, folder=store.parent) == store
    assert store.stat().st_mtime_ns == written
    names = {p.name for p in store.parent.iterdir() if p.suffix != ".lock"}
    # The checksums of its files, and when these were last compared in full.
    assert names == {store.name, f"{store.stem}.crc32.json", f"{store.stem}.sound.json"}


def test_min_max_normalization_maps_the_training_split_to_0_and_1(
    store: Path, archive: ArchiveState, tmp_path: Path
):
    settings = TrainingSetSettings(VARIABLES, SPLITS, normalization="min_max")
    path = build_training_set(archive, settings, folder=tmp_path)
    opened = TrainingSet.open(path)
    train = opened.fields[:156]
    np.testing.assert_allclose(train.min(axis=(0, 2, 3)), 0, atol=1e-7)
    np.testing.assert_allclose(train.max(axis=(0, 2, 3)), 1, atol=1e-7)
    true = physical(SPLITS.train)
    assert opened.normalizer.mean == tuple(true.min(axis=(0, 2, 3)))
    assert opened.attrs["normalization"] == "min_max"
    for name in ("mean", "std", "minimum", "maximum", "difference_std"):  # the statistics stay
        np.testing.assert_array_equal(
            xr.open_zarr(path, chunks=None)[name], xr.open_zarr(store, chunks=None)[name]
        )


def test_a_value_of_a_test_hour_changes_no_statistic(store: Path, tmp_path: Path):
    class Changed(FakeSource):
        def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
            raw = super().fetch(request, raw_folder)
            month = raw.dataset.copy(deep=True)
            month["2m_temperature"][250, 1, 2] += 30.0  # 2016-01-11T10, in the test split
            return RawMonth(month, raw.manifest)

    path = build_training_set(make_archive(tmp_path, Changed()), SETTINGS, folder=tmp_path)
    changed, before = (xr.open_zarr(p, chunks=None) for p in (path, store))
    for name in ("mean", "std", "minimum", "maximum", "difference_std", "climatology"):
        np.testing.assert_array_equal(changed[name], before[name])
    hour, channel, row, column = np.argwhere(changed["data"].values != before["data"].values).T
    assert (hour.tolist(), channel.tolist(), row.tolist(), column.tolist()) == (
        [226],
        [1],
        [1],
        [2],
    )


@pytest.mark.parametrize(
    "settings",
    [
        TrainingSetSettings({"t2m": ("t2m",)}, SPLITS),
        TrainingSetSettings({"a": ("u10",), "t2m": ("t2m",), "r": ("r1000", "r850")}, SPLITS),
        TrainingSetSettings(
            VARIABLES, replace(SPLITS, train=Period("2016-01-01", "2016-01-08T11"))
        ),
        TrainingSetSettings(VARIABLES, SPLITS, smoothing_days=31),
        TrainingSetSettings(VARIABLES, SPLITS, normalization="min_max"),
    ],
)
def test_every_setting_of_the_content_changes_the_fingerprint(
    store: Path, archive: ArchiveState, tmp_path: Path, settings: TrainingSetSettings
):
    assert build_training_set(archive, settings, folder=tmp_path).name != store.name


def test_what_tasks_run_on_changes_neither_name_nor_content(
    store: Path, archive: ArchiveState, tmp_path: Path
):
    for number, cluster in enumerate((Threads(1, "1MiB"), Threads(3, "1GiB"))):
        path = build_training_set(archive, SETTINGS, folder=tmp_path / str(number), cluster=cluster)
        assert path.name == store.name
        assert contents(path) == contents(store)


def test_a_set_that_stands_is_found_whatever_the_cluster(
    store: Path, archive: ArchiveState, monkeypatch: pytest.MonkeyPatch
):
    def refuse(*arguments: object, **options: object) -> None:
        raise AssertionError("built anew")

    monkeypatch.setattr("pipelines.training_sets.prepare.write_store", refuse)
    for cluster in (None, Threads(1), LocalCluster(2, "1GiB"), Distributed("tcp://nowhere:1")):
        assert build_training_set(archive, SETTINGS, folder=store.parent, cluster=cluster) == store


def test_too_little_memory_is_refused(tmp_path: Path):
    archive = ingest(
        FakeSource(grid=equiangular(3.0)), period=Period("2016-01-01", "2016-01-04"),
        fields={"2m_temperature": ()}, grid=GridSettings(),
        raw_folder=tmp_path / "raw", path=tmp_path / "archive",
    )  # fmt: skip
    days = [Period(f"2016-01-0{n}", f"2016-01-0{n + 1}") for n in (1,)]
    splits = Splits(days[0], Period("2016-01-03", "2016-01-03"), Period("2016-01-04", "2016-01-04"))
    settings = TrainingSetSettings({"t2m": ("t2m",)}, splits)
    with pytest.raises(
        DataError,
        match="may take 1.00 MiB of memory; a day of one channel takes 3.96 MiB: raise the cluster",
    ):
        build_training_set(
            archive, settings, folder=tmp_path / "sets", cluster=Threads(2, "2MiB")
        )  # fmt: skip
    assert not list((tmp_path / "sets").glob(".*.partial"))


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
    leftover = tmp_path / f".{store.stem}.0123abcd.partial"
    leftover.mkdir()
    (leftover / "zarr.json").write_text("{}")
    path = build_training_set(archive, SETTINGS, folder=tmp_path)
    assert not leftover.exists()
    assert contents(path) == contents(store)


def damage_metadata(path: Path) -> None:
    (path / "zarr.json").write_text("{")


def damage_chunk(path: Path) -> None:
    chunk_path(path / "data", 1).unlink()


def cut_chunk(path: Path) -> None:
    os.truncate(chunk_path(path / "data", 0), 1000)


def damage_climatology(path: Path) -> None:
    (path / "climatology" / "c" / "0" / "0" / "0" / "0" / "0").unlink()


def damage_fingerprint(path: Path) -> None:
    metadata = path / "zarr.json"
    metadata.write_text(metadata.read_text().replace(path.stem, "0123456789abcdef"))


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (damage_metadata, "cannot open .*remove the folder"),
        (damage_chunk, "c/1/0/0/0 has 0 bytes; expected 46080, a whole chunk; remove the folder"),
        (cut_chunk, "c/0/0/0/0 has 1000 bytes; expected 46080, a whole chunk; remove the folder"),
        (
            damage_climatology,
            "0/0/0/0/0 has 0 bytes; expected 4608, a whole chunk; remove the folder",
        ),
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


def test_missing_value_is_refused_wherever_it_lies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """In an archive from before a mask that moves was refused there."""
    monkeypatch.setattr(verify_month, "_check_mask", lambda *_args, **_kwargs: None)
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
        ({}, 61, "no variables; expected at least one group"),
        ({"uv": ()}, 61, "variable 'uv' is .*; expected a list of channel labels"),
        ({"a": ("t2m",), "b": ("t2m", "u10")}, 61, "channel 't2m' occurs twice"),
        ({"a": ("t3m",)}, 61, "unknown channel 't3m'"),
        ({"a": ("t2m",)}, 60, "smoothing_days is 60; expected an odd number"),
        ({"a": ("t2m",)}, 367, "smoothing_days is 367"),
    ],
)
def test_impossible_settings_are_refused(variables, smoothing_days: int, message: str):
    with pytest.raises(ValueError, match=message):
        TrainingSetSettings(variables, SPLITS, smoothing_days)


def test_store_is_plain_zarr_version_3(store: Path):
    assert zarr.open_group(store, mode="r").metadata.zarr_format == 3


def test_unknown_normalization_is_refused():
    with pytest.raises(ValueError, match="normalization is 'log'; expected one of: mean_std, min"):
        TrainingSetSettings(VARIABLES, SPLITS, normalization="log")


def test_the_memory_limit_is_kept_and_changes_nothing(tmp_path: Path):
    """27 MB of fields are built within 12 MiB."""
    archive = ingest(
        FakeSource(grid=equiangular(2.0)), period=Period("2016-01-01", "2016-01-18"),
        fields={"2m_temperature": ()}, grid=GridSettings(),
        raw_folder=tmp_path / "raw", path=tmp_path / "archive",
    )  # fmt: skip
    splits = Splits(
        Period("2016-01-01T07", "2016-01-14"), Period("2016-01-15", "2016-01-16"),
        Period("2016-01-17", "2016-01-18"),
    )  # fmt: skip
    settings = TrainingSetSettings({"t2m": ("t2m",)}, splits)
    stores, peaks = [], []
    for limit in ("12MiB", "1GiB"):
        gc.collect()
        tracemalloc.start()
        stores.append(
            build_training_set(
                archive, settings, folder=tmp_path / limit, cluster=Threads(1, limit)
            )
        )
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert contents(stores[0]) == contents(stores[1])
    assert peaks[0] < 12 * 2**20 < peaks[1]
