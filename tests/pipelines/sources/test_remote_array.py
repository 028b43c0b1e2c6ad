import sys

import numpy as np
import pytest
import xarray as xr

from pipelines.sources import remote_array
from pipelines.sources.remote_array import lazy_field, network_errors


def test_tries_are_spaced_wider_and_wider():
    assert remote_array._PAUSES == (1.0, 4.0, 16.0)


@pytest.mark.parametrize(
    ("chunk", "hours"),
    [
        ((1, 721, 1440), 24),  # 4.2 MB: ARCO's surface variables
        ((1, 37, 721, 1440), 1),  # 154 MB: ARCO's levels
        ((1, 5, 721, 1440), 6),  # 21 MB
        ((12, 721, 1440), 24),  # a copy with longer chunks
    ],
)
def test_a_piece_holds_as_many_hours_as_memory_allows(chunk, hours):
    shape = (744, *(1,) * (len(chunk) - 1))
    field = xr.DataArray(
        np.zeros(shape, dtype=np.float32),
        dims=("time", "level", "latitude", "longitude")[: 4 if len(chunk) == 4 else 1]
        + (() if len(chunk) == 4 else ("latitude", "longitude")),
        name="x",
    )
    field.encoding["chunks"] = chunk
    pieces = lazy_field(field, origin="here").chunks[0]
    assert set(pieces) == {hours}


def test_errors_of_libraries_are_known_only_where_these_are_loaded(monkeypatch):
    class HttpError(Exception):
        pass

    fake = type(sys)("gcsfs.retry")
    fake.HttpError = HttpError
    monkeypatch.delitem(sys.modules, "aiohttp", raising=False)
    monkeypatch.delitem(sys.modules, "gcsfs.retry", raising=False)
    assert network_errors() == (OSError,)
    monkeypatch.setitem(sys.modules, "gcsfs.retry", fake)
    assert network_errors() == (OSError, HttpError)
