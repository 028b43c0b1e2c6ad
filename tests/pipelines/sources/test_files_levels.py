"""Levels that differ by variable and by file, from `files` and `weatherbench`."""

from pathlib import Path

import numpy as np
import pytest

from met2net.data.grid import equiangular
from pipelines.errors import DataError
from pipelines.period import Month
from pipelines.sources.files import Files
from pipelines.sources.source import MonthRequest
from pipelines.sources.weatherbench import WeatherBench
from tests.pipelines.formats.grib_files import message
from tests.pipelines.sources.weather_truth import make_truth
from tests.pipelines.sources.weatherbench_files import RESOLUTION, write_weatherbench

FIELD = np.arange(6.0).reshape(3, 2)
GLOBE = equiangular(22.5)
PAIR = {"geopotential": (500,), "temperature": (850,)}


def request(fields, hours: int = 1) -> MonthRequest:
    return MonthRequest(Month(2020, 1), np.datetime64("2020-01-01T00") + np.arange(hours), fields)


def write(folder: Path, **files: tuple[tuple[str, int, float], ...]) -> Files:
    """Write messages (short name, level, value of the first point), a tuple a file."""
    folder.mkdir()
    for name, contents in files.items():
        (folder / name).write_bytes(
            b"".join(message(FIELD + v, short_name=n, level=p) for n, p, v in contents)
        )
    return Files(str(folder))


def first(dataset, name: str, level: int) -> float:
    return float(dataset[name].sel(level=level)[0, 0, 0])


def test_the_classic_pair_from_one_file_and_from_two(tmp_path: Path) -> None:
    z, t = ("z", 500, 55_000.0), ("t", 850, 280.0)
    for number, source in enumerate(
        (write(tmp_path / "one", a=(z, t)), write(tmp_path / "two", a=(z,), b=(t,)))
    ):
        month = source.fetch(request(PAIR), tmp_path / f"raw{number}").dataset
        assert month["level"].values.tolist() == [500, 850]
        assert first(month, "geopotential", 500) == pytest.approx(55_000, abs=0.1)
        assert first(month, "temperature", 850) == pytest.approx(280, abs=1e-3)
        # A level that is not wanted of a variable has no values, and costs no reading.
        assert month["geopotential"].sel(level=850).isnull().all()


def test_a_file_a_level_is_one_variable(tmp_path: Path) -> None:
    source = write(
        tmp_path / "data", a=(("t", 850, 285.0),), b=(("t", 500, 255.0), ("z", 850, 15_000.0)),
        c=(("z", 500, 55_000.0),),
    )  # fmt: skip
    fields = {"temperature": (500, 850), "geopotential": (500, 850)}
    month = source.fetch(request(fields), tmp_path / "raw").dataset
    assert [first(month, "temperature", p) for p in (500, 850)] == pytest.approx([255.0, 285.0])
    assert [first(month, "geopotential", p) for p in (500, 850)] == pytest.approx([55e3, 15e3])
    with pytest.raises(DataError, match=r"found temperature on levels \[500, 850\]; expected"):
        source.fetch(request({"temperature": (500, 700)}), tmp_path / "raw")


def test_hours_are_counted_on_each_level(tmp_path: Path) -> None:
    source = write(tmp_path / "data", a=(("t", 500, 255.0),))
    (tmp_path / "data" / "b").write_bytes(
        b"".join(message(FIELD + 280, short_name="t", level=850, time=f"2020-01-01T0{hour}")
                 for hour in range(2))
    )  # fmt: skip
    with pytest.raises(DataError, match="found temperature at 500 hPa for 1 of 2 hours"):
        source.fetch(request({"temperature": (500, 850)}, hours=2), tmp_path / "raw")
    month = source.fetch(request({"temperature": (850,)}, hours=2), tmp_path / "raw")
    assert [file["name"] for file in month.manifest["files"]] == ["b"]  # the other is not opened


def test_the_same_level_in_two_files_must_agree(tmp_path: Path) -> None:
    source = write(tmp_path / "data", a=(("t", 850, 280.0),), b=(("t", 850, 281.0),))
    with pytest.raises(DataError, match="found temperature at 850 hPa of 1 hours"):
        source.fetch(request({"temperature": (850,)}), tmp_path / "raw")


@pytest.mark.parametrize("single_levels", [False, True])
def test_weatherbench_reads_what_is_wanted_of_each_variable(
    tmp_path: Path, single_levels: bool
) -> None:
    wanted = request({"relative_humidity": (1000,), "temperature": (850,)}, hours=24)
    truth = make_truth(
        wanted.hours, grid=GLOBE,
        fields={"relative_humidity": (850, 1000), "temperature": (850, 1000)},
    )  # fmt: skip
    folder = write_weatherbench(tmp_path / "data", truth, single_levels=single_levels)
    if single_levels:  # nothing else is there
        for name in ("relative_humidity_850", "temperature_1000"):
            (folder / name).rename(tmp_path / name)
    month = WeatherBench(str(folder), RESOLUTION).fetch(wanted, tmp_path / "raw")
    assert len(month.manifest["files"]) == 2
    for name, level in (("relative_humidity", 1000), ("temperature", 850)):
        np.testing.assert_array_equal(
            month.dataset[name].sel(level=level), truth[name].sel(level=level)
        )
