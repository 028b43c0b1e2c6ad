"""The store: state, an HTTP server on this machine, and a thread for each connection."""

import logging
import socket
import sys
import threading
import urllib.parse
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from tests.climate_data_store.endpoints import answer_call
from tests.climate_data_store.faults import Fault
from tests.climate_data_store.http_calls import Answer, Call
from tests.climate_data_store.jobs import Archive, Job
from tests.climate_data_store.state import StoreState

__all__ = ["ClimateDataStore"]

_LOGGER = logging.getLogger(__name__)
_STOP_SECONDS = 5.0


class ClimateDataStore:
    """A Climate Data Store on 127.0.0.1, serving while its `with` block runs.

    Args:
        key: the one key (PRIVATE-TOKEN) that is accepted.
        faults: what goes wrong; see `faults`.
        job_seconds: how long a job runs once it has a slot; 0: successful at the first poll.
        slots: how many jobs run at once, others stay accepted; None: no limit.
        cost_limit: largest cost of a request.
        cost_weight: cost of one value by data format.
        licence_accepted: False: submissions are refused until the licence is accepted.
        newest_hour: later hours are left out of replies without a word; None: no limit.
        final_until: later hours are preliminary (ERA5T); None: all are final.
        expver_form: how netCDF tells the release, `per_time`, `scalar` or `dimension`; where
            the form cannot tell mixed hours, per time.
        resolution: of the grid [degrees].
        state_folder: where jobs outlive the server; None: nowhere.
        port: 0 takes a free one.

    Attributes:
        url: what the client is given.
        key: as above.
        faults: as above; may be changed at any time.
        submissions: dataset and request of every job that was made, in order.
        calls: method, path (without query) and status of every call, in order of the
            replies; status 0 where none was sent.
        jobs: by id, those that are not deleted.
    """

    def __init__(
        self,
        *,
        key: str = "test-key-0000",
        faults: Sequence[Fault] = (),
        job_seconds: float = 0.0,
        slots: int | None = None,
        cost_limit: float = 60000,
        cost_weight: Mapping[str, float] | None = None,
        licence_accepted: bool = True,
        newest_hour: np.datetime64 | None = None,
        final_until: np.datetime64 | None = None,
        expver_form: str = "per_time",
        resolution: float = 0.25,
        state_folder: Path | None = None,
        port: int = 0,
    ) -> None:
        if expver_form not in ("per_time", "scalar", "dimension"):
            raise ValueError(
                f"found expver_form={expver_form!r}; expected per_time, scalar or dimension"
            )
        self._state = StoreState(
            key=key,
            faults=list(faults),
            job_seconds=job_seconds,
            slots=slots,
            cost_limit=cost_limit,
            cost_weight=dict(cost_weight or {"grib": 1, "netcdf": 6}),
            licence_accepted=licence_accepted,
            archive=Archive(newest_hour=newest_hour, final_until=final_until),
            expver_form=expver_form,
            resolution=resolution,
            state_folder=state_folder,
        )
        self._server = _Server(("127.0.0.1", port), _Handler)
        self._server.state = self._state
        self.url = f"{self._server.origin}/api"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def __enter__(self) -> "ClimateDataStore":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop serving and close all connections.

        Raises:
            RuntimeError: if the store itself, not one of its faults, failed.
        """
        self._state.stopping.set()
        self._server.shutdown()
        self._thread.join()
        self._server.close_connections()
        self._server.server_close()
        self._state.save()
        if self._state.errors:
            raise RuntimeError(f"the store failed: {self._state.errors[0]!r}") from (
                self._state.errors[0]
            )

    @property
    def key(self) -> str:
        return self._state.key

    @property
    def faults(self) -> list[Fault]:
        return self._state.faults

    @property
    def submissions(self) -> list[tuple[str, dict[str, Any]]]:
        return self._state.submissions

    @property
    def calls(self) -> list[tuple[str, str, int]]:
        return self._state.calls

    @property
    def jobs(self) -> dict[str, Job]:
        self._state.queue.advance()
        return self._state.queue.jobs

    def set_final_until(self, hour: np.datetime64 | None) -> None:
        """Let months become final; results that were made before stay as they are."""
        self._state.set_archive(final_until=hour)

    def set_newest_hour(self, hour: np.datetime64 | None) -> None:
        """Let the archive grow."""
        self._state.set_archive(newest_hour=hour)

    def set_job_seconds(self, seconds: float) -> None:
        """Let jobs that are made from now on run longer or shorter."""
        self._state.job_seconds = seconds

    def accept_licence(self) -> None:
        """Accept the licence, as a user does on the web page."""
        self._state.licence_accepted = True

    def delete_job(self, job_id: str) -> None:
        """Delete a job as its owner would."""
        self._state.delete(job_id)

    def expire_results(self, job_id: str) -> None:
        """Remove a job's file; the job stays."""
        self._state.expire(job_id)


class _Server(ThreadingHTTPServer):
    """Keeps the open connections, to close them at the end."""

    daemon_threads = True
    request_queue_size = 128
    state: StoreState

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._open: set[socket.socket] = set()
        self._idle = threading.Condition()

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._idle:
            self._open.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._idle:
            self._open.discard(request)
            self._idle.notify_all()

    def close_connections(self) -> None:
        """Wake the threads that wait for another call of a client, and wait for all."""
        with self._idle:
            for connection in self._open:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass  # the client was quicker
            self._idle.wait_for(lambda: not self._open, timeout=_STOP_SECONDS)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Keep an error of the store for the end of the test; that a client left is none."""
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, ConnectionError):
            self.state.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    """Reads calls from a connection and sends what the endpoints answer."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def handle_call(self) -> None:
        address = urllib.parse.urlsplit(self.path)
        call = Call(
            method=self.command,
            path=address.path,
            query=urllib.parse.parse_qs(address.query),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(self.headers.get("Content-Length", 0))),
            origin=self.server.origin,
        )
        state = self.server.state
        answer = answer_call(state, call)
        state.calls.append((call.method, call.path, 0 if answer is None else answer.status))
        if answer is None:
            self.close_connection = True
        else:
            self._send(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_call

    def _send(self, answer: Answer) -> None:
        length = len(answer.body) if answer.length is None else answer.length
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(length)}.items():
            self.send_header(name, value)
        try:
            self.end_headers()
            if self.command == "HEAD":
                return
            for piece in answer.pieces():
                self.wfile.write(piece)
                if answer.bytes_per_second is not None:
                    self.server.state.stopping.wait(len(piece) / answer.bytes_per_second)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True  # the client has gone
        if answer.send_only is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        _LOGGER.debug(format, *args)
