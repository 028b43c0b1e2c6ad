"""A global month as GRIB and as netCDF, and a process of its own that reads or archives it.

As a program: `python -m tests.benchmarks.global_month decode|archive FILE FOLDER` prints seconds
and peak memory as JSON.
"""

import json
import resource
import sys
import time
from pathlib import Path

import dask
import netCDF4
import numpy as np

from pipelines.archive.ingest import ingest
from pipelines.fields.target_grids import GridSettings
from pipelines.formats.decode import decode
from pipelines.period import Period
from pipelines.sources.files import Files
from tests.pipelines.formats.grib_files import message

__all__ = ["fields_of", "write_grib", "write_netcdf"]

LATITUDE = 90.0 - 0.25 * np.arange(721)
LONGITUDE = 0.25 * np.arange(1440)
FIRST_HOUR = np.datetime64("2020-01-01T00", "h")


def fields_of(hour: int) -> np.ndarray:
    """Give 2 m temperature [K] of one hour: a mean, a wave that moves, and grains."""
    y, x = np.deg2rad(LATITUDE)[:, None], np.deg2rad(LONGITUDE)
    wave = 8.0 * np.cos(y) * np.sin(3 * x - 2 * np.pi * hour / 90)
    return 288.0 - 40.0 * np.sin(y) ** 2 + wave + _GRAINS


_GRAINS = np.random.default_rng(0).normal(0.0, 0.5, (len(LATITUDE), len(LONGITUDE)))


def write_grib(path: Path, *, num_hours: int) -> None:
    """Write a file as the Climate Data Store gives it: GRIB 1, 16 bits a value."""
    with path.open("wb") as file:
        for hour in range(num_hours):
            time_text = str(FIRST_HOUR + hour)
            content = message(
                fields_of(hour), time=time_text, latitude=LATITUDE, longitude=LONGITUDE
            )
            file.write(content)


def write_netcdf(path: Path, *, num_hours: int) -> None:
    """Write a file as the Climate Data Store gives it: netCDF-4, float32, shuffled, deflated.

    Values carry 16 bits, as those that came out of GRIB.
    """
    with netCDF4.Dataset(path, "w") as dataset:
        for name, axis in (("latitude", LATITUDE), ("longitude", LONGITUDE)):
            dataset.createDimension(name, len(axis))
            dataset.createVariable(name, "f8", (name,))[:] = axis
        dataset.createDimension("valid_time", num_hours)
        hours = dataset.createVariable("valid_time", "i8", ("valid_time",))
        hours.setncatts({"units": "hours since 2020-01-01", "calendar": "proleptic_gregorian"})
        hours[:] = np.arange(num_hours)
        field = dataset.createVariable(
            "t2m", "f4", ("valid_time", "latitude", "longitude"), zlib=True, complevel=1,
            shuffle=True, chunksizes=(1, len(LATITUDE), len(LONGITUDE)),
        )  # fmt: skip
        field.units = "K"
        for hour in range(num_hours):
            field[hour] = np.round(fields_of(hour) * 512.0) / 512.0


def _decode(path: Path) -> None:
    """Only read: sum the fields."""
    decode(path)["2m_temperature"].sum().compute()


def _archive(path: Path, folder: Path) -> None:
    """Archive at 32 x 64 as the flow does."""
    hours = decode(path)["time"].values.astype("datetime64[h]")
    ingest(
        Files(str(path.parent), pattern=path.name),
        period=Period(str(hours[0]), str(hours[-1])),
        fields={"2m_temperature": ()},
        grid=GridSettings(resolution="5.625"),
        raw_folder=folder / "raw",
        path=folder / "archive",
    )


def main(action: str, path: Path, folder: Path) -> None:
    """Do one of both and print what it took."""
    start = time.perf_counter()
    with dask.config.set(scheduler="threads"):
        if action == "decode":
            _decode(path)
        else:
            _archive(path, folder)
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"seconds": seconds, "peak_bytes": peak}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
