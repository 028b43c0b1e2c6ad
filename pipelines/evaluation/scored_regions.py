"""Regions that are scored beside the whole field, on a grid."""

from pathlib import Path

from met2net.data.grid import Grid
from met2net.verification.regions import Region, box
from pipelines.errors import DataError
from pipelines.evaluation.land_sea import read_land_and_sea
from pipelines.evaluation.settings import ScoringSettings

__all__ = ["scored_regions"]


def scored_regions(grid: Grid, settings: ScoringSettings) -> list[Region]:
    """Give boxes, then land and sea.

    Raises:
        DataError: if a box has wrong edges or no point of the grid, or the land-sea mask is not
            there or not of the grid.
    """
    try:
        regions = [box(name, grid, **edges) for name, edges in settings.regions.items()]
    except ValueError as error:
        raise DataError(f"evaluation.scoring.regions: {error}") from error
    if settings.land_sea_mask is not None:
        regions += read_land_and_sea(Path(settings.land_sea_mask), grid)
    return regions
