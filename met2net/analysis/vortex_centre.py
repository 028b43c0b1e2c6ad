"""Find the centre of a cyclone in one field of sea level pressure, near a first guess."""

import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float

from met2net.analysis.great_circle import great_circle_km, longitude_difference, wrap_longitude
from met2net.data.grid import Grid

__all__ = ["Centre", "Miss", "TrackerSettings", "find_centre", "strongest_wind"]

_KM_PER_DEGREE = 111.195  # of latitude, on the sphere of `EARTH_RADIUS_KM`
_FIT_WIDTH = 1.5  # std of the weights of the quadratic fit [grid cells]
_VALUE_WIDTH = 0.75  # the same, where the fit gives the pressure
_FIT_REACH = 4  # points each way that the fit sees
_FIT_STEPS = 8
_LEAST_CURVATURE = 0.01  # of a minimum, below is rounding of a level field [Pa a cell squared]
_LARGEST_SHIFT = 2.5  # of the fitted centre from the lowest grid point [grid cells]


@dataclass(frozen=True)
class TrackerSettings:
    """What counts as a cyclone, and how far from the guess it may be.

    Attributes:
        search_radius_km: largest distance between guess and centre; for steps of an hour or
            a few. Cyclones rarely move more than 50 km in an hour.
        separation_km: of two minima closer than this, only the lower one is a centre.
        depth_radius_km: the depth is the mean pressure on a ring of this radius, less the
            pressure at the centre.
        least_depth: below it a minimum is no cyclone [Pa].
        wind_radius_km: the strongest wind is looked for within this distance of the centre.

    Raises:
        ValueError: if a number is not positive.
    """

    search_radius_km: float = 300.0
    separation_km: float = 150.0
    depth_radius_km: float = 300.0
    least_depth: float = 200.0
    wind_radius_km: float = 250.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name, value in vars(self).items():
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} is {value}; expected a positive number")


@dataclass(frozen=True)
class Centre:
    """Where a cyclone is: latitude [degrees_north], longitude in [0, 360), pressure [Pa]."""

    latitude: float
    longitude: float
    pressure: float


@dataclass(frozen=True)
class Miss:
    """Why no centre was found."""

    reason: str


def find_centre(
    msl: Float[np.ndarray, "lat lon"],
    grid: Grid,
    *,
    guess: tuple[float, float],
    settings: TrackerSettings,
) -> Centre | Miss:
    """Find the minimum nearest to a guess, between the grid points.

    Candidates are minima of the smoothed field (binomial, 3 x 3, so that noise of single points
    makes none) that are the lowest within `separation_km`. The nearest within the search radius
    is taken, if it is deep enough. One on the edge of a box means that the cyclone has left it.
    Position and pressure are those of a quadratic surface, fitted to the unsmoothed field with
    weights that fall off around the centre itself; where that has no minimum near, as in a flat
    field, the grid point stands.

    Args:
        msl: mean sea level pressure [Pa].
        grid: its points; longitudes that close the circle are searched across the seam.
        guess: latitude and longitude; longitude from -180 or from 0.
        settings: radii and depth.

    Raises:
        ValueError: if no grid point lies on the ring where the depth is measured.
    """
    reach = settings.search_radius_km + settings.depth_radius_km + settings.separation_km
    window = _Window.around(grid, guess, radius_km=reach)
    if window is None:
        return Miss("left the box")
    field = window.cut(msl)
    smooth = _smooth(field)
    far = great_circle_km(*guess, window.latitude[:, None], window.longitude)
    near = np.argwhere((far <= settings.search_radius_km) & _is_local_minimum(smooth))
    for row, column in near[np.argsort(far[tuple(near.T)], kind="stable")]:
        from_here = great_circle_km(
            window.latitude[row], window.longitude[column], window.latitude[:, None],
            window.longitude,
        )  # fmt: skip
        if smooth[from_here < settings.separation_km].min() < smooth[row, column]:
            continue
        if window.on_edge[row, column]:
            return Miss("left the box")
        ring = _ring(from_here, settings.depth_radius_km, step=window.largest_step_km)
        if not ring.any():
            raise ValueError(
                f"grid has no point {settings.depth_radius_km:g} km from "
                f"{window.latitude[row]:g} N, {window.longitude[column] % 360:g} E; expected a "
                "larger box or a smaller depth_radius_km"
            )
        if field[ring].mean() - smooth[row, column] >= settings.least_depth:
            return _fit(field, window, row=int(row), column=int(column))
    return Miss("no minimum deep enough near the guess")


def strongest_wind(
    speed: Float[np.ndarray, "lat lon"], grid: Grid, *, centre: Centre, radius_km: float
) -> float:
    """Give the strongest wind within a distance of the centre, or at the nearest point [m s-1]."""
    at = (centre.latitude, centre.longitude)
    steps = np.concatenate([np.diff(grid.latitude), np.diff(grid.longitude)])
    cell_km = float(np.abs(steps).max()) * _KM_PER_DEGREE
    window = _Window.around(grid, at, radius_km=max(radius_km, cell_km))
    assert window is not None  # a centre lies inside its grid
    far = great_circle_km(*at, window.latitude[:, None], window.longitude)
    is_near = far <= max(radius_km, float(far.min()))
    return float(window.cut(speed)[is_near].max())


@dataclass(frozen=True, eq=False)
class _Window:
    """The part of a grid within a distance of a point; longitudes run on across the seam."""

    rows: slice
    columns: np.ndarray
    latitude: np.ndarray
    longitude: np.ndarray
    on_edge: Bool[np.ndarray, "lat lon"]

    @classmethod
    def around(
        cls, grid: Grid, point: tuple[float, float], *, radius_km: float
    ) -> "_Window | None":
        """Cut it out; None where no grid point is that near."""
        latitude, longitude = np.asarray(grid.latitude), np.asarray(grid.longitude)
        reach = radius_km / _KM_PER_DEGREE
        rows = np.flatnonzero(np.abs(latitude - point[0]) <= reach)
        highest = min(abs(point[0]) + reach, 89.0)
        east = longitude_difference(longitude, point[1])
        is_near = np.abs(east) <= reach / math.cos(math.radians(highest))
        columns = np.flatnonzero(is_near)
        if len(rows) == 0 or len(columns) == 0:
            return None
        if grid.is_periodic:
            columns = columns[np.argsort(east[columns])]
        on_edge = np.zeros((len(rows), len(columns)), dtype=bool)
        on_edge[(rows == 0) | (rows == len(latitude) - 1)] = True
        if not grid.is_periodic:
            on_edge[:, (columns == 0) | (columns == len(longitude) - 1)] = True
        return cls(
            slice(int(rows[0]), int(rows[-1]) + 1), columns, latitude[rows],
            point[1] + east[columns], on_edge,
        )  # fmt: skip

    def cut(self, field: Float[np.ndarray, "lat lon"]) -> Float[np.ndarray, "_ _"]:
        """Take the window's values, in double precision."""
        return np.asarray(field[self.rows][:, self.columns], dtype=np.float64)

    @property
    def largest_step_km(self) -> float:
        """Largest distance between neighbours along an axis."""
        steps = np.concatenate([np.abs(np.diff(self.latitude)), np.diff(self.longitude)])
        return float(steps.max(initial=0.0)) * _KM_PER_DEGREE


def _smooth(field: Float[np.ndarray, "h w"]) -> Float[np.ndarray, "h w"]:
    """Apply the binomial filter 1 2 1 along both axes; edges are repeated."""
    padded = np.pad(field, 1, mode="edge")
    along = (padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4
    return np.asarray((along[:, :-2] + 2 * along[:, 1:-1] + along[:, 2:]) / 4)


def _is_local_minimum(field: Float[np.ndarray, "h w"]) -> Bool[np.ndarray, "h w"]:
    """Tell which points are as low as all their eight neighbours."""
    padded = np.pad(field, 1, mode="edge")
    around = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    return np.asarray(field <= around.min(axis=(-2, -1)))


def _ring(
    distance: Float[np.ndarray, "h w"], radius: float, *, step: float
) -> Bool[np.ndarray, "h w"]:
    """Select the points about `radius` away, on a ring that no grid slips through."""
    return np.asarray(np.abs(distance - radius) <= max(0.75 * step, 25.0))


def _fit(field: np.ndarray, window: _Window, *, row: int, column: int) -> Centre:
    """Fit the quadratic surface around a grid point and give its minimum."""
    rows = slice(max(row - _FIT_REACH, 0), row + _FIT_REACH + 1)
    columns = slice(max(column - _FIT_REACH, 0), column + _FIT_REACH + 1)
    step_y, step_x = _spacing(window.latitude, row), _spacing(window.longitude, column)
    y = (window.latitude[rows, None] - window.latitude[row]) / step_y
    x = (window.longitude[None, columns] - window.longitude[column]) / step_x
    x, y, values = (np.broadcast_to(a, field[rows, columns].shape).ravel()
                    for a in (x, y, field[rows, columns]))  # fmt: skip
    found = _quadratic_minimum(x, y, values)
    east, north, pressure = found or (0.0, 0.0, float(field[row, column]))
    return Centre(
        float(window.latitude[row] + north * step_y),
        float(wrap_longitude(window.longitude[column] + east * step_x)),
        pressure,
    )


def _spacing(axis: np.ndarray, position: int) -> float:
    """Give the mean distance to the neighbours, signed along the axis [degrees]."""
    near = axis[max(position - 1, 0) : position + 2]
    return float((near[-1] - near[0]) / (len(near) - 1))


def _quadratic_minimum(
    x: np.ndarray, y: np.ndarray, values: np.ndarray
) -> tuple[float, float, float] | None:
    """Give x, y and value of the minimum of a weighted least-squares fit, None without one.

    The weights are centred on the minimum itself, found by iteration: centred on a grid point,
    the fit would be drawn towards it wherever the field is not a quadratic. The value is that
    of a second, narrower fit: the wide one, steady in noise, fills up a deep narrow minimum.
    """
    east = north = 0.0
    for _ in range(_FIT_STEPS):
        _, slope, curvature = _surface(x - east, y - north, values, width=_FIT_WIDTH)
        if np.linalg.eigvalsh(curvature)[0] < _LEAST_CURVATURE:
            return None
        shift = -np.linalg.solve(curvature, slope)
        east, north = east + float(shift[0]), north + float(shift[1])
        if math.hypot(east, north) > _LARGEST_SHIFT:
            return None
    return east, north, _surface(x - east, y - north, values, width=_VALUE_WIDTH)[0]


def _surface(
    x: np.ndarray, y: np.ndarray, values: np.ndarray, *, width: float
) -> tuple[float, np.ndarray, np.ndarray]:
    """Fit a quadratic with Gaussian weights; give its value, slope and curvature at 0, 0."""
    root = np.exp(-(x**2 + y**2) / (4 * width**2))  # square root of the weights
    terms = np.stack([np.ones_like(x), x, y, x**2 / 2, x * y, y**2 / 2], axis=1)
    base = values.mean()  # pressures are large beside their differences
    fit = np.linalg.lstsq(terms * root[:, None], (values - base) * root, rcond=None)[0]
    return float(fit[0] + base), fit[1:3], np.array([[fit[3], fit[4]], [fit[4], fit[5]]])
