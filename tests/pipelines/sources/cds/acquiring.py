"""What the tests of the acquisition share: short patience, a small box, a look at the files."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xarray as xr

from met2net.data.variables import variable
from pipelines.fields.target_grids import Box, GridSettings
from pipelines.fingerprint import file_sha256
from pipelines.period import Month
from pipelines.sources.cds import Cds
from pipelines.sources.cds.manifest import read_manifest
from pipelines.sources.cds.patience import Patience
from pipelines.sources.source import MonthRequest
from tests.climate_data_store.fields import field

QUICK = Patience(
    reply=1.0, unreachable=3.0, job=3.0, first_pause=0.02, longest_pause=0.2, submissions=2
)
SMALL = GridSettings(box=Box(44.0, 110.0, 43.5, 110.5))
FEBRUARY = Month(2021, 2)
TEMPERATURE: Mapping[str, tuple[int, ...]] = {"2m_temperature": ()}


def quick_cds(**settings: object) -> Cds:
    return Cds(**{"grid": SMALL, "patience": QUICK, **settings})


def month_request(
    month: Month = FEBRUARY, fields: Mapping[str, tuple[int, ...]] = TEMPERATURE, **others: object
) -> MonthRequest:
    return MonthRequest(month, month.hours(), fields, **others)


def assert_only_verified_files(raw_folder: Path) -> None:
    """Whatever stands under a final name is what the manifest says was verified."""
    for path in raw_folder.rglob("*"):
        if path.is_file() and not path.name.startswith(".") and path.name != "manifest.json":
            manifest = read_manifest(path.parent)
            entries = {part.file["name"]: part.file for part in manifest.parts if part.file}
            assert path.name in entries, path
            assert file_sha256(path) == entries[path.name]["sha256"], path


def assert_fields_are_the_stores(dataset: xr.Dataset, *, num_hours: int = 5) -> None:
    """Compare some hours of every variable with the weather that the store makes up."""
    latitude, longitude = dataset["latitude"].values, dataset["longitude"].values
    for name, array in dataset.data_vars.items():
        table = variable(str(name))
        step = max(1, array.sizes["time"] // num_hours)
        for hour in array["time"].values[::step]:
            for level in array["level"].values if "level" in array.dims else [None]:
                found = array.sel(time=hour)
                found = found if level is None else found.sel(level=level)
                expver = str(dataset["expver"].sel(time=hour).values)
                expected = field(
                    str(name), level, hour.astype("datetime64[h]"), latitude, longitude,
                    expver=expver,
                )  # fmt: skip
                tolerance = (table.valid_range[1] - table.valid_range[0]) / 2**15
                np.testing.assert_allclose(found.values, expected, atol=tolerance)
