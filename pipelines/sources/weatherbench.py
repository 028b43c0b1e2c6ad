"""ERA5 from WeatherBench 1: folders of yearly netCDF files on coarse global grids."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.grid import Grid, equiangular
from pipelines.errors import DataError
from pipelines.fingerprint import fingerprint
from pipelines.formats.canonical import canonical
from pipelines.formats.file_array import lazily
from pipelines.formats.left_out import because, left_out
from pipelines.formats.levels import side_by_side, with_whole_levels
from pipelines.formats.static_files import read_static_fields
from pipelines.formats.times import decoded_times
from pipelines.sources.files import COPERNICUS
from pipelines.sources.files_index import IndexedFile, index_folder
from pipelines.sources.source import MonthRequest, RawMonth
from pipelines.sources.static_source import RawStatic, described_file

__all__ = ["WeatherBench"]

_RESOLUTION = re.compile(r"\d+(\.\d+)?deg")
_FINAL = "0001"  # WeatherBench 1 was made of final fields, and does not say so
_HOURS_A_CHUNK = 24


@dataclass(frozen=True)
class WeatherBench:
    """WeatherBench 1 as downloaded and unzipped; never changed or copied.

    A month is read from the files of its year and its variables alone:
    `<variable>/<variable>_<year>_<resolution>.nc`, or, for variables on levels where that is
    not there, `<variable>_<level>/<variable>_<level>hPa_<year>_<resolution>.nc` for each level.

    Attributes:
        folder: where the folders of the variables lie; kept as an absolute path.
        resolution: as in the files' names: 5.625deg, 2.8125deg or 1.40625deg.
        attribution: sentence that must be shown with the data.

    Raises:
        ValueError: if the resolution does not divide the globe.

    Source: Rasp et al. 2020, doi:10.1029/2020MS002203.
    """

    folder: str
    resolution: str = "5.625deg"
    attribution: str | None = COPERNICUS

    def __post_init__(self) -> None:
        """Check the resolution; make the folder absolute."""
        object.__setattr__(self, "folder", str(Path(self.folder).expanduser().resolve()))
        if not _RESOLUTION.fullmatch(self.resolution) or self._step == 0:
            raise ValueError(f"resolution is {self.resolution!r}; expected as '5.625deg'")
        equiangular(self._step)

    @property
    def name(self) -> str:
        """Short name for folders and metadata."""
        return "weatherbench"

    @property
    def _step(self) -> float:
        return float(self.resolution.removesuffix("deg"))

    def fetch(self, request: MonthRequest, raw_folder: Path) -> RawMonth:
        """Give one month out of its year's files.

        Under `raw_folder` only an index of the files is written.

        Raises:
            DataError: if a folder, year, hour, level or variable is missing, a file is broken,
                or its grid is another than its name says.
        """
        folder = Path(self.folder)
        if not folder.is_dir():
            raise DataError(f"{folder}: found no such folder; expected WeatherBench's folders")
        indices = raw_folder / self.name / fingerprint(self.folder)
        fields, files = {}, []
        for name, wanted in request.fields.items():
            parts = []
            for path, level in self._find(name, wanted, request.month.year):
                doubted = request.hours if request.again else None
                indexed = _indexed(path, folder, indices, doubted)
                parts.append(self._read(path, name, request, wanted, level))
                files.append({"name": path.name, "size": indexed.size, "sha256": indexed.sha256})
            fields[name] = parts[0]
            if len(parts) > 1:
                fields[name] = xr.concat(parts, dim="level", join="exact").transpose(*parts[0].dims)
        dataset = side_by_side(fields)
        expver = np.full(len(request.hours), _FINAL)
        return RawMonth(
            dataset.assign_coords(expver=("time", expver)), {"source": self.name, "files": files}
        )

    def fetch_static(self, names: Sequence[str], raw_folder: Path) -> dict[str, RawStatic]:
        """Give static fields out of `constants/constants_<resolution>.nc`.

        Raises:
            DataError: if it is missing, broken, or lacks one, or its grid is another than its name
                says.
        """
        del raw_folder
        path = Path(self.folder) / "constants" / f"constants_{self.resolution}.nc"
        if not path.is_file():
            raise DataError(
                f"{path}: found no such file; expected WeatherBench's constants, with "
                f"{' and '.join(names)}"
            )
        found = read_static_fields(path, names)
        if absent := [name for name in names if name not in found]:
            raise DataError(f"{path}: found no {', '.join(absent)}; expected all")
        manifest = {"source": self.name, "files": [described_file(path)]}
        grid = equiangular(self._step)
        return {
            name: RawStatic(_on_grid(field, grid, path), manifest) for name, field in found.items()
        }

    def _find(self, name: str, levels: tuple[int, ...], year: int) -> list[tuple[Path, int | None]]:
        """Give a variable's files of a year, each with the one level it has, if it has one."""
        folder = Path(self.folder)
        whole = folder / name / f"{name}_{year}_{self.resolution}.nc"
        if whole.is_file():
            return [(whole, None)]
        single: list[tuple[Path, int | None]] = [
            (folder / f"{name}_{p}" / f"{name}_{p}hPa_{year}_{self.resolution}.nc", p)
            for p in levels
        ]
        missing = [path for path, _ in single if not path.is_file()]
        if single and not missing:
            return single
        expected = str(whole)
        if missing:
            expected += f" or {missing[0]}"
        raise DataError(f"{folder}: found {self._held(name)}; expected {expected}")

    def _held(self, name: str) -> str:
        """Say what there is of a variable, or of any."""
        folder = Path(self.folder)
        files = sorted(
            path.name for path in folder.glob(f"{name}*/*_{self.resolution}.nc")
            if re.fullmatch(rf"{re.escape(name)}(_\d+)?", path.parent.name)
        )  # fmt: skip
        if files:
            return f"{files[0]} to {files[-1]}" if len(files) > 1 else files[0]
        names = ", ".join(sorted(path.name for path in folder.iterdir() if path.is_dir()))
        return f"no {self.resolution} file of {name} (folders: {names or 'none'})"

    def _read(
        self,
        path: Path,
        name: str,
        request: MonthRequest,
        levels: tuple[int, ...],
        level: int | None,
    ) -> xr.DataArray:
        """Open a month of one variable; a file of one level gets it as an axis."""
        # The index has found the file whole.
        dataset = _month(xr.open_dataset(path, engine="netcdf4", cache=False), request, path)
        if level is None and levels:
            dataset = _with_levels(dataset, levels, path)
        dataset = lazily(dataset, path, chunks={"time": _HOURS_A_CHUNK})
        if level is not None:
            dataset = _with_axis(dataset, level, path)
        result = canonical(dataset, origin=str(path))
        if name not in result:
            held = ", ".join(map(str, dataset.data_vars))
            reason = because(left_out(result))
            raise DataError(f"{path}: found {held or 'no variable'}; expected {name}" + reason)
        return _on_grid(result[name].drop_vars("expver"), equiangular(self._step), path)


def _indexed(path: Path, folder: Path, indices: Path, doubted: np.ndarray | None) -> IndexedFile:
    """Check a file and hash it, once."""
    pattern, cache = str(path.relative_to(folder)), indices / f"{path.stem}.json"
    return index_folder(folder, pattern=pattern, cache=cache, doubted=doubted)[0]


def _month(dataset: xr.Dataset, request: MonthRequest, path: Path) -> xr.Dataset:
    """Keep the wanted hours, which must all be there."""
    time = decoded_times(dataset["time"], origin=str(path)).astype("datetime64[h]")
    missing = np.setdiff1d(request.hours, time)
    if len(missing):
        span = f", {time.min()} to {time.max()}" if len(time) else ""
        raise DataError(
            f"{path}: found {len(time)} hours{span}; expected all of "
            f"{request.hours[0]} to {request.hours[-1]}, of which {len(missing)} are missing, the "
            f"first {missing[0]}"
        )
    return dataset.isel(time=np.flatnonzero(np.isin(time, request.hours)))


def _with_levels(dataset: xr.Dataset, levels: tuple[int, ...], path: Path) -> xr.Dataset:
    """Keep the levels that are wanted of this variable."""
    if "level" in dataset.dims:
        dataset = with_whole_levels(dataset, origin=str(path))
    found = dataset["level"].values.tolist() if "level" in dataset.dims else []
    if not set(levels) <= set(found):
        raise DataError(f"{path}: found levels {found}; expected {list(levels)} hPa among them")
    return dataset.sel(level=list(levels))


def _with_axis(dataset: xr.Dataset, level: int, path: Path) -> xr.Dataset:
    """Give a file of one level that level as an axis."""
    if "level" not in dataset.coords:
        return dataset.expand_dims(level=[level])
    if "level" not in dataset.dims:
        dataset = dataset.expand_dims("level")
    found = with_whole_levels(dataset, origin=str(path))["level"].values.tolist()
    if found != [level]:
        raise DataError(f"{path}: found level {', '.join(map(str, found))}; expected "
                        f"{level} hPa")  # fmt: skip
    return dataset.assign_coords(level=[level])


def _on_grid(field: xr.DataArray, grid: Grid, path: Path) -> xr.DataArray:
    """Check the grid, and take its exact axes: files of one grid differ by rounding."""
    found = Grid.from_dataset(field.to_dataset())
    if not found.matches(grid):
        raise DataError(f"{path}: found a grid of {found}; expected {grid}")
    axes = {"latitude": grid.latitude, "longitude": grid.longitude}
    return field.assign_coords(
        {axis: (axis, np.array(points), field[axis].attrs) for axis, points in axes.items()}
    )
