"""The backfill as its users run it: by `prefect run`, against the local Climate Data Store."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from flows.backfill_status import backfill_status
from flows.console.acquisition_progress import read_progress
from flows.settings.backfill import BackfillSettings, load_backfill
from flows.settings.config_error import ConfigError
from pipelines.archive.ingest import ingest
from pipelines.archive.reconcile import reconcile
from pipelines.archive.state import open_archive
from pipelines.errors import DataError
from pipelines.sources.cds import Cds
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.server import ClimateDataStore

ROOT = Path(__file__).resolve().parents[2]
PREFECT = Path(sys.executable).parent / "prefect"
KEY = "key-that-nobody-may-ever-see-4711"
BOX = (
    "{_target_: pipelines.fields.target_grids.Box, "
    "north: 44.0, west: 110.0, south: 43.5, east: 110.5}"
)
FINAL_UNTIL = np.datetime64("2021-02-10T23")


def overrides(folder: Path) -> list[str]:
    return [
        "data=era5_cropped", "period=2021-01/2021-03", f"data.grid.box={BOX}",
        f"workspace={folder / 'workspace'}", "source.patience.first_pause=0.02",
        "source.patience.reply=5",
    ]  # fmt: skip


def run(
    flow: str, folder: Path, store: ClimateDataStore, *more: str, prefect_api: str = ""
) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": str(PREFECT.parent), "HOME": str(folder), "CDSAPI_URL": store.url,
        "CDSAPI_KEY": KEY, "NO_PROXY": "127.0.0.1", "OMP_NUM_THREADS": "1",
        "PREFECT_HOME": str(folder / "prefect_home"), "PREFECT_API_URL": prefect_api,
    }  # fmt: skip
    return subprocess.run(
        [PREFECT, "run", f"flows/{flow}.py", *overrides(folder), *more],
        cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def store() -> Iterator[ClimateDataStore]:
    with ClimateDataStore(key=KEY, final_until=FINAL_UNTIL) as running:
        yield running


@pytest.fixture(scope="module")
def finished(store: ClimateDataStore, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backfill of three months that met some trouble, its key refused once among others."""
    folder = tmp_path_factory.mktemp("backfill")
    store.faults.extend(
        [
            Fault("execution", "status", code=500),
            Fault("job", "failed", message=f"MARS failed for {KEY}"),
            Fault("file", "garbage"),
        ]
    )
    refused = run("backfill", folder, store, "source.max_in_flight=1", "source.patience.reply=0.2",
                  "source.patience.unreachable=0.01")  # fmt: skip
    (folder / "refused.txt").write_text(refused.stdout + refused.stderr)
    ran = run("backfill", folder, store)
    assert ran.returncode == 0, ran.stderr[-3000:]
    (folder / "output.txt").write_text(ran.stdout + ran.stderr)
    return folder


def archive_of(folder: Path) -> Path:
    (found,) = (p for p in (folder / "workspace" / "archive").iterdir() if p.is_dir())
    return found


def test_every_month_stands_in_the_archive(finished: Path) -> None:
    archive = open_archive(archive_of(finished))
    assert archive.sizes["time"] == 24 * (31 + 28 + 31)
    assert set(archive.data_vars) == {
        "mean_sea_level_pressure", "10m_u_component_of_wind", "10m_v_component_of_wind",
        "2m_temperature",
    }  # fmt: skip
    preliminary = archive["time"].values[archive["expver"].values == "0005"]
    assert preliminary[0].astype("datetime64[h]") == FINAL_UNTIL + 1


def test_without_a_terminal_progress_is_told_in_lines(finished: Path) -> None:
    earlier, later = ((finished / name).read_text() for name in ("refused.txt", "output.txt"))
    for month in ("2021-01", "2021-02", "2021-03"):  # each once, by the run that brought it
        assert (f"{month}: verified" in earlier) != (f"{month}: verified" in later)
    assert "3 of 3 months verified, a job takes" in later


def test_the_key_stands_nowhere(finished: Path) -> None:
    texts = [p for p in finished.rglob("*") if p.is_file()]
    assert any(p.name == "prefect.db" for p in texts)
    assert any(p.name == "manifest.json" for p in texts)
    holding = [p for p in texts if KEY.encode() in p.read_bytes()]
    assert not holding


@pytest.fixture
def settings(
    finished: Path, store: ClimateDataStore, monkeypatch: pytest.MonkeyPatch
) -> BackfillSettings:
    """Those of the finished backfill, for what needs no process of its own."""
    speak_to(store, monkeypatch)
    return load_backfill(overrides(finished))


def test_the_same_again_asks_for_nothing(
    settings: BackfillSettings, store: ClimateDataStore
) -> None:
    before = len(store.calls)
    bring_in(settings)
    assert len(store.calls) == before


def test_status_lists_preliminary_months_and_reconcile_replaces_them(
    finished: Path,
    settings: BackfillSettings,
    store: ClimateDataStore,
    capsys: pytest.CaptureFixture[str],
    prefect_api: str,
) -> None:
    backfill_status.fn(overrides(finished))
    shown = capsys.readouterr().out
    assert "2 archived months hold preliminary hours (ERA5T): 2021-02, 2021-03" in shown
    assert "mixed (240 final, 432 preliminary)" in shown
    before = len(store.submissions)
    store.set_final_until(np.datetime64("2021-03-31T23"))
    reconcile(
        settings.source, fields=settings.fields, grid=settings.grid,
        raw_folder=settings.raw_folder, path=settings.archive,
        received_after=settings.received_after,
    )  # fmt: skip
    assert len(store.submissions) == before  # copies of today are recent enough
    moment = np.datetime64("now", "s")
    replaced = run("backfill", finished, store, "reconcile=true", f"received_after={moment}",
                   prefect_api=prefect_api)  # fmt: skip
    assert replaced.returncode == 0, replaced.stderr[-3000:]
    # Past the service's cache: both months were asked for in a new form.
    again = [request for _, request in store.submissions[before:]]
    assert len(again) == 2 and all("nocache" in request for request in again)
    assert set(open_archive(archive_of(finished))["expver"].values) == {"0001"}
    backfill_status.fn(overrides(finished))
    shown = capsys.readouterr().out
    assert "preliminary" not in shown
    assert shown.count("replace") == 2


def test_a_refused_key_is_one_line_and_status_two(tmp_path: Path, prefect_api: str) -> None:
    with ClimateDataStore(key="another") as other:
        ran = run("backfill", tmp_path, other, prefect_api=prefect_api)
    assert ran.returncode == 2
    [line] = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert "does not accept the key" in line
    assert KEY not in ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("text", "hours"),
    [("2021-02", 672), ("2021", 8760), ("2021-02-03", 24), ("2021-02/2021-03", 1416)],
)
def test_a_period_of_one_month_year_or_day_is_that_one(text: str, hours: int) -> None:
    settings = load_backfill(["source=cds", "data=era5_cropped", f"period={text}"])
    assert len(settings.period.hours()) == hours


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("period=2021-01/", "expected a month, as 2017-01, or start/end, as 2017-01/2023-12"),
        ("period=2021-03/2021-01", "before it starts"),
        ("source.max_in_flight=0", "max_in_flight is 0; expected 1 to 32"),
        ("source.data_format=csv", "data_format is 'csv'; expected grib or netcdf"),
        ("source.patience.job=0", "patience.job is 0; expected > 0"),
        ("received_after=noon", "received_after is 'noon'; expected a moment in UTC, as 2026-01"),
        ("data=era5", "no data 'era5'; choose one of: .*era5_cropped"),
    ],
)
def test_wrong_settings_are_explained(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_backfill([override])


def test_without_a_period_all_that_the_data_set_needs_is_fetched() -> None:
    settings = load_backfill([])
    assert str(settings.period) == "2017-01-01T00 to 2023-12-31T23"
    assert len(settings.requests()) == 84


def test_today_begins_where_the_moments_of_receipt_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Wherever it runs: somewhere on earth the date is always another than in UTC.
    with monkeypatch.context() as patch:
        for zone in ("Etc/GMT-14", "Etc/GMT+12"):
            patch.setenv("TZ", zone)
            time.tzset()
            assert load_backfill([]).received_after == np.datetime64("now", "D")
    time.tzset()


def test_time_limits_do_not_make_another_archive() -> None:
    usual, patient = load_backfill([]), load_backfill(["source.patience.job=1000"])
    assert usual.archive == patient.archive
    assert load_backfill(["data.grid.box.south=10"]).archive != usual.archive


def test_one_more_channel_counts_right_before_while_and_after_it_is_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a month that an archive beside it holds, one channel is asked for; the rest is copied."""
    wind = ["period=2021-01-31/2021-02-02", "data.variables.t2m=[]", "data.variables.v10=[]"]
    with ClimateDataStore(key=KEY) as store:
        speak_to(store, monkeypatch)
        first = load_backfill([*overrides(tmp_path), *wind])
        assert counts(first) == (["planned", "planned"], [0, 0])
        bring_in(first)
        assert counts(first) == (["verified", "verified"], [1, 1])

        wider = load_backfill([*overrides(tmp_path), *wind, "data.variables.t2m=[t2m]"])
        t2m = {"2m_temperature": ()}
        assert [request.fields for request in wider.requests()] == [t2m, t2m]
        assert counts(wider) == (["planned", "planned"], [0, 0])
        refusal = {"month": "2021-02", "message": "no such field"}
        store.faults.append(Fault("job", "failed", times=3, **refusal))
        with pytest.raises(DataError, match="no such field"):
            bring_in(wider)
        assert counts(wider) == (["verified", "failed"], [1, 0])
        bring_in(wider)
        assert counts(wider) == (["verified", "verified"], [1, 1])
        again = load_backfill([*overrides(tmp_path), *wind, "data.variables.t2m=[t2m]",
                               "replace=true"])  # fmt: skip
        assert counts(again) == (["planned", "planned"], [0, 0])  # all is fetched, in that case

        narrow = load_backfill([*overrides(tmp_path), *wind, "data.variables.u10=[]"])
        for _ in "before", "after":  # nothing is asked for, nothing is missing
            assert counts(narrow) == (["verified", "verified"], [0, 0])
            bring_in(narrow)


def speak_to(store: ClimateDataStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client of this process find the service."""
    monkeypatch.setenv("CDSAPI_URL", store.url)
    monkeypatch.setenv("CDSAPI_KEY", KEY)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def bring_in(settings: BackfillSettings) -> None:
    """Fetch as the flow does, without its page."""
    ingest(
        settings.source, period=settings.period, fields=settings.fields, grid=settings.grid,
        raw_folder=settings.raw_folder, path=settings.archive,
    )  # fmt: skip


def counts(settings: BackfillSettings) -> tuple[list[str], list[int]]:
    """Give the state and the number of received requests of each month in the table."""
    assert isinstance(settings.source, Cds)
    months = read_progress(settings.source, settings.requests(), settings.raw_folder).months
    return [month.phase for month in months], [month.parts_received for month in months]
