"""Serve the store by hand: `python -m tests.climate_data_store --job-seconds 2 --slots 4`."""

import argparse
import signal
import threading
from pathlib import Path

import numpy as np

from tests.climate_data_store.server import ClimateDataStore


def _hour(text: str) -> np.datetime64:
    return np.datetime64(text, "h")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.climate_data_store", description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one")
    parser.add_argument("--key", default="test-key-0000")
    parser.add_argument("--job-seconds", type=float, default=0.0, help="how long a job runs")
    parser.add_argument("--slots", type=int, help="how many jobs run at once")
    parser.add_argument("--newest-hour", type=_hour, help="as 2026-01-05T12")
    parser.add_argument("--final-until", type=_hour, help="later hours are preliminary (ERA5T)")
    parser.add_argument("--state-folder", type=Path, help="where jobs outlive the server")
    arguments = parser.parse_args()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with ClimateDataStore(**vars(arguments)) as store:
        print(f"url: {store.url}\nkey: {store.key}", flush=True)  # the lines of a ~/.cdsapirc
        stopped.wait()


if __name__ == "__main__":
    main()
