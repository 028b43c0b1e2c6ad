"""Requests and clients that the store's own tests share."""

import cdsapi

from tests.climate_data_store.server import ClimateDataStore

__all__ = ["PRESSURE", "SINGLE", "client", "fetch", "good_file", "request"]

SINGLE = "reanalysis-era5-single-levels"
PRESSURE = "reanalysis-era5-pressure-levels"


def request(**changes):
    """Ask for two days of two variables on 3 x 3 points; keys can be replaced or added."""
    return {
        "product_type": ["reanalysis"],
        "variable": ["2m_temperature", "mean_sea_level_pressure"],
        "year": ["2020"], "month": ["02"], "day": ["28", "29"],
        "time": [f"{hour:02d}:00" for hour in range(24)],
        "area": [20, 70, 19.5, 70.5],
        "data_format": "grib", "download_format": "unarchived",
        **changes,
    }  # fmt: skip


def client(store, **changes):
    """Make the unmodified client, impatient."""
    settings = {"retry_max": 3, "sleep_max": 0.05, "timeout": 5, "quiet": True, "progress": False}
    return cdsapi.Client(store.url, store.key, **{**settings, **changes})


def fetch(path, *faults, dataset=SINGLE, settings=(), **changes):
    """Retrieve with faults; give the store, closed."""
    with ClimateDataStore(faults=faults) as store:
        client(store, **dict(settings)).retrieve(dataset, request(**changes), str(path))
    return store


def good_file(path, **changes):
    fetch(path, **changes)
    return path.read_bytes()
