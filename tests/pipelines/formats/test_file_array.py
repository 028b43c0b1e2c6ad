"""A damaged chunk of a netCDF-4 file ends in a line with the file's name, whoever reads it."""

from pathlib import Path

import h5py
import numpy as np
import pytest
import xarray as xr

from pipelines.errors import DataError
from pipelines.formats.decode import decode
from pipelines.formats.file_array import broken_file


def write(path: Path, *, compressed: str = "t2m") -> Path:
    """Write two days in chunks of a day, one variable compressed."""
    hours = np.datetime64("2020-01-01T00", "ns") + np.timedelta64(1, "h") * np.arange(48)
    values = np.random.default_rng(0).normal(280.0, 1.0, (48, 3, 2)).astype(np.float32)
    xr.Dataset(
        {"t2m": (("time", "latitude", "longitude"), values, {"units": "K"})},
        coords={"time": hours, "latitude": [20.0, 19.0, 18.0], "longitude": [70.0, 71.0],
                "expver": ("time", np.arange(48) * 0 + 1)},
    ).to_netcdf(
        path, engine="h5netcdf",
        encoding={compressed: {"zlib": True, "chunksizes": (24, 3, 2)[: 3 if compressed == "t2m"
                                                                     else 1]}},
    )  # fmt: skip
    return path


def damage(path: Path, name: str, chunk: int) -> None:
    """Overwrite the middle of a stored chunk."""
    with h5py.File(path) as file:
        stored = file[name].id.get_chunk_info(chunk)
    with path.open("r+b") as file:
        file.seek(stored.byte_offset + stored.size // 2)
        file.write(b"\xff" * min(8, stored.size // 2))


def test_a_whole_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc")
    with xr.open_dataset(path, engine="netcdf4") as stored:
        np.testing.assert_array_equal(decode(path)["2m_temperature"].values, stored["t2m"].values)


def test_a_damaged_chunk_names_the_file_when_it_is_read(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc")
    damage(path, "t2m", 1)
    field = decode(path)["2m_temperature"]
    assert field[:24].notnull().all()  # the other day is whole
    with pytest.raises(DataError, match=r"a\.nc: found a broken netCDF file .*expected a whole"):
        field.load()


def test_a_damaged_coordinate_names_the_file_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nc", compressed="expver")
    damage(path, "expver", 0)
    with pytest.raises(DataError, match=r"a\.nc: found a broken netCDF file"):
        decode(path)


def test_trouble_of_the_disk_stays_what_it_is() -> None:
    disk = OSError(5, "Input/output error")
    assert broken_file(disk, Path("a.nc")) is disk
    known = DataError("said already")
    assert broken_file(known, Path("a.nc")) is known
    assert str(broken_file(KeyError(), Path("a.nc"))).startswith("a.nc: found a broken netCDF file")
