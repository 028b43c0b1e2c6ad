"""A real S3 API on loopback: moto's server, with conditional writes, in this process."""

import logging
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import boto3
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import make_server

BUCKET = "weather"
_KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1"}


class _OneAtATime:
    """Answer one request after the other: moto checks a condition, then writes."""

    def __init__(self, app: Callable[..., Iterable[bytes]]) -> None:
        self.app = app
        self.lock = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        with self.lock:
            return list(self.app(environ, start_response))


@contextmanager
def s3_server() -> Iterator[str]:
    """Serve an empty bucket; gives the endpoint, to which the environment points meanwhile."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, _OneAtATime(app), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}"
    environment = _KEYS | {"AWS_ENDPOINT_URL_S3": endpoint, "AWS_ALLOW_HTTP": "true"}
    try:
        with mock.patch.dict("os.environ", environment):
            client = boto3.client("s3", endpoint_url=endpoint)
            client.create_bucket(Bucket=BUCKET)
            client.close()
            yield endpoint
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
