import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.sources.cds.manifest import Manifest, Part, read_manifest
from pipelines.sources.cds.month_folder import is_received, month_folder, open_month
from pipelines.sources.cds.month_status import month_status
from pipelines.sources.cds.plan import plan_month
from pipelines.sources.cds.request import Area
from pipelines.sources.cds.waiting_times import waiting_times
from pipelines.sources.source import MonthRequest

JANUARY = Month(2021, 1)
AREA = Area(44.0, 110.0, 43.5, 110.5)
FIELDS = {"2m_temperature": (), "temperature": (500, 850)}
REQUEST = MonthRequest(JANUARY, JANUARY.hours(), FIELDS)


def parts() -> list[Part]:
    return [Part(request) for request in plan_month(REQUEST, area=AREA, data_format="grib")]


def stamped(part: Part, **seconds: float) -> Part:
    """Give a part whose states were reached so many seconds after noon."""
    noon = datetime(2026, 1, 1, 12, tzinfo=UTC)
    moments = {name: (noon + timedelta(seconds=s)).isoformat() for name, s in seconds.items()}
    return replace(part, moments=moments)


def received(part: Part, *, preliminary: int = 0) -> Part:
    entry = {"name": part.request.key + ".grib", "size": 10, "sha256": "0" * 64,
             "expver": {"0001": 744 - preliminary, "0005": preliminary}}  # fmt: skip
    return replace(part, state="received", file=entry)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, parts())
    part = manifest.parts[0]
    manifest.put(part.at("submitted", job="abc", submissions=1, spent_jobs=("xyz",)))
    assert read_manifest(tmp_path).parts == manifest.parts


def test_a_month_without_manifest_has_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


def test_a_damaged_manifest_is_named_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"layout": 1, "parts": [{}]}')
    with pytest.raises(DataError, match=r"manifest.json: found a damaged manifest .*Move"):
        read_manifest(tmp_path)
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(DataError, match="damaged manifest"):
        read_manifest(tmp_path)


def test_a_manifest_of_another_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps({"layout": 9, "parts": []}))
    with pytest.raises(DataError, match="found layout 9; expected 1"):
        read_manifest(tmp_path)


def test_a_split_part_makes_way_for_its_pieces(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, parts())
    [levels] = [p for p in manifest.parts if p.request.levels]
    pieces = levels.request.halves()
    manifest.split(levels.request.key, list(pieces))
    assert [p.request.levels for p in read_manifest(tmp_path).parts if p.request.levels] == [
        (500,), (850,),
    ]  # fmt: skip


def test_a_file_of_a_part_that_is_split_goes_with_it(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path, [received(part) for part in parts()])
    [levels] = [p for p in manifest.parts if p.request.levels]
    (tmp_path / levels.file["name"]).write_bytes(b"GRIB")
    manifest.split(levels.request.key, list(levels.request.halves()))
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


def test_a_month_cut_by_the_period_has_a_folder_of_its_own(tmp_path: Path) -> None:
    assert month_folder(tmp_path, REQUEST).name == "2021-01"
    cut = MonthRequest(JANUARY, JANUARY.hours()[5:30], FIELDS)
    assert month_folder(tmp_path, cut).name == "2021-01_01T05_02T05"


def test_an_answer_from_before_the_wanted_moment_is_asked_for_anew(tmp_path: Path) -> None:
    manifest = open_month(tmp_path, REQUEST, area=AREA, data_format="grib")
    for part in manifest.parts:
        manifest.put(received(stamped(part, received=0.0)))
    later = replace(REQUEST, received_after=np.datetime64("2026-01-01T12:00:01"))
    earlier = replace(REQUEST, received_after=np.datetime64("2026-01-01T11:59:59"))
    assert all(is_received(part, earlier) for part in manifest.parts)
    assert not any(is_received(part, later) for part in manifest.parts)
    anew = open_month(tmp_path, later, area=AREA, data_format="grib")
    assert {part.state for part in anew.parts} == {"planned"}
    assert {part.nocache for part in anew.parts} == {"2026-01-01T12:00:01"}
    assert all(part.file is not None for part in anew.parts)  # it stays until its successor is here
    # To look changes nothing on disk, where another process may be at work.
    assert {part.state for part in read_manifest(manifest.folder).parts} == {"received"}


def test_a_new_month_is_asked_for_past_the_cache_where_an_old_answer_is_not_wanted(
    tmp_path: Path,
) -> None:
    wanted = replace(REQUEST, received_after=np.datetime64("2026-01-01T12:00:01"))
    manifest = open_month(tmp_path, wanted, area=AREA, data_format="grib")
    assert {part.nocache for part in manifest.parts} == {"2026-01-01T12:00:01"}


def test_a_job_that_was_asked_for_too_early_is_not_waited_for(tmp_path: Path) -> None:
    manifest = Manifest(tmp_path / "2021-01", parts())
    for part in manifest.parts:
        manifest.put(replace(stamped(part, intended=0.0), state="submitted", job="old"))
    later = replace(REQUEST, received_after=np.datetime64("2026-01-01T12:00:01"))
    anew = open_month(tmp_path, later, area=AREA, data_format="grib")
    assert {(p.state, p.job, p.spent_jobs) for p in anew.parts} == {("planned", None, ("old",))}
    earlier = replace(REQUEST, received_after=np.datetime64("2026-01-01T11:59:59"))
    kept = open_month(tmp_path, earlier, area=AREA, data_format="grib")
    assert {part.job for part in kept.parts} == {"old"}


def test_a_moment_that_is_yet_to_come_is_refused(tmp_path: Path) -> None:
    wanted = replace(REQUEST, received_after=np.datetime64("2999-01-01T00:00:00"))
    with pytest.raises(DataError, match=r"2999-01-01T00:00:00 \(UTC\) are wanted, which is yet to"):
        open_month(tmp_path, wanted, area=AREA, data_format="grib")


@pytest.mark.parametrize(
    ("states", "phase"),
    [
        (("planned", "planned"), "planned"),
        (("planned", "intended"), "submitting"),
        (("submitted", "received"), "queued"),
        (("submitted", "downloading"), "queued"),
        (("downloading", "received"), "downloading"),
        (("received", "received"), "verified"),
    ],
)
def test_a_month_is_as_far_as_its_slowest_request_under_way(
    tmp_path: Path, states: tuple[str, str], phase: str
) -> None:
    made = [
        received(p) if state == "received" else p.at(state)
        for p, state in zip(parts(), states, strict=True)
    ]
    status = month_status("2021-01", Manifest(tmp_path, made))
    assert status.phase == phase
    assert status.parts_received == states.count("received")


def test_a_failure_and_preliminary_hours_are_told(tmp_path: Path) -> None:
    first, second = parts()
    failed = Manifest(tmp_path, [replace(first, failure="no licence"), second])
    assert month_status("2021-01", failed).reason == "no licence"
    assert month_status("2021-01", failed).phase == "failed"
    done = Manifest(tmp_path, [received(first, preliminary=7), received(second)])
    assert month_status("2021-01", done).preliminary_hours == 7


def test_a_running_job_is_running_and_a_download_has_size_and_rate(tmp_path: Path) -> None:
    first, second = parts()
    running = replace(first.at("submitted"), status="running")
    assert month_status("m", Manifest(tmp_path, [running, received(second)])).phase == "running"
    loading = first.at("downloading")
    (tmp_path / f".{first.request.key}.part").write_bytes(b"x" * 1000)
    status = month_status("m", Manifest(tmp_path, [loading, received(second)]))
    assert status.size == 1010
    assert status.rate > 0


def test_waiting_times_are_medians_of_what_is_done() -> None:
    first, second = parts()
    done = [
        received(stamped(first, intended=0, submitted=1, running=11, downloading=61, verified=71,
                         received=72)),
        received(stamped(second, intended=0, submitted=2, running=22, downloading=102,
                         verified=104, received=104)),
        stamped(first, intended=0, submitted=1),
    ]  # fmt: skip
    waiting = waiting_times(done)
    assert waiting.num_requests == 2
    assert waiting.queued == 15.0  # of 10 and 20
    assert waiting.ready == 80.0  # of 60 and 100
    assert waiting.transfer == 6.0  # of 10 and 2
    assert waiting.whole == 88.0  # of 72 and 104
    assert waiting.remaining(8, max_in_flight=4) == timedelta(seconds=176)
    assert waiting_times([]).remaining(8, max_in_flight=4) is None
