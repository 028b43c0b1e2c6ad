"""ERA5 from the Copernicus Climate Data Store."""

from pipelines.sources.cds.cds import Cds

__all__ = ["Cds"]
