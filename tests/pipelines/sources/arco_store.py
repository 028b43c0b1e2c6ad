"""Tiny stores laid out as ARCO-ERA5, and a web server for them that can fail."""

import threading
import warnings
from collections import Counter
from collections.abc import Iterator, MutableSequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import xarray as xr

# As ARCO-ERA5 writes them.
_UNITS = {"1": "(0 - 1)", "m s-1": "m s**-1", "m2 s-2": "m**2 s**-2", "J m-2": "J m**-2"}


def write_arco(
    url: Path | str,
    truth: xr.Dataset,
    *,
    stop: str | None = None,
    stop_era5t: str | None = None,
    zarr_format: int = 2,
    consolidated: bool = True,
) -> str:
    """Write fields as ARCO-ERA5 has them; returns the address.

    Despite its name (`.zarr-v3` is the third version of the data) the real store is of Zarr
    format 2. Its time axis reaches far beyond the valid hours (here six at both ends),
    chunks that were never written read as NaN, and one chunk holds an hour on all levels.

    Args:
        url: where to write it.
        truth: fields in house form.
        stop: last day of final fields; the last day of the truth if None.
        stop_era5t: last day of preliminary fields, or None for no such attribute.
        zarr_format: 2 or 3.
        consolidated: whether the metadata are written in one piece, too.
    """
    time = truth["time"].values
    step = np.timedelta64(1, "h")
    padded = np.arange(time[0] - 6 * step, time[-1] + 7 * step, step).astype("datetime64[ns]")
    dataset = truth.drop_vars("expver").reindex(time=padded)
    if "level" in dataset.dims:
        dataset = dataset.reindex(level=[500, *dataset["level"].values])
        dataset["vertical_velocity"] = dataset["relative_humidity"].assign_attrs(units="Pa s**-1")
    for array in dataset.data_vars.values():
        array.attrs = {"units": _UNITS.get(array.attrs["units"], array.attrs["units"])}
    for name in ("latitude", "longitude"):
        dataset[name] = dataset[name].astype(np.float32)
    dataset.attrs = {
        "valid_time_start": str(time[0].astype("datetime64[D]")),
        "valid_time_stop": stop or str(time[-1].astype("datetime64[D]")),
        "last_updated": "2026-01-09 02:00:00+00:00",
    }
    if stop_era5t is not None:
        dataset.attrs["valid_time_stop_era5t"] = stop_era5t
    chunks = {
        str(name): {"chunks": (1, *array.shape[1:])} for name, array in dataset.data_vars.items()
    }
    with warnings.catch_warnings():
        # Consolidated metadata are not in the specification of format 3, zarr-python says.
        warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
        dataset.to_zarr(
            str(url), mode="w", zarr_format=zarr_format, consolidated=consolidated,
            encoding={**chunks, "time": {"units": "hours since 1900-01-01", "dtype": "int64"}},
        )  # fmt: skip
    return str(url)


@dataclass
class WebServer:
    """What a server did and is to do.

    Attributes:
        url: of the served folder.
        asked: paths of GET requests with how often they came.
        failures: status codes of the next answers to requests for chunks.
    """

    url: str
    asked: Counter[str] = field(default_factory=Counter)
    failures: MutableSequence[int] = field(default_factory=list)

    def chunks(self) -> dict[str, int]:
        """Requests for chunks of fields, by path."""
        return {path: n for path, n in self.asked.items() if path.count(".") >= 2}


class _Handler(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        state = self.server.state  # type: ignore[attr-defined]
        path = self.path.lstrip("/")
        state.asked[path] += 1
        if state.failures and path in state.chunks():
            self.send_error(state.failures.pop(0))
            return
        super().do_GET()

    def log_message(self, *arguments: object) -> None:
        pass


@contextmanager
def web_server(folder: Path) -> Iterator[WebServer]:
    """Serve a folder on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(folder)))
    state = WebServer(f"http://127.0.0.1:{server.server_address[1]}")
    server.state = state  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
