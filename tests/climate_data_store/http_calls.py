"""A call as the endpoints see it, and the answer that they give."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.climate_data_store.error_replies import ErrorReply

__all__ = ["Answer", "Call", "json_answer"]


@dataclass(frozen=True)
class Call:
    """One HTTP request.

    Attributes:
        method: `GET`, `HEAD`, `POST`, `PUT` or `DELETE`.
        path: without the query.
        query: all values of each parameter.
        headers: names in lower case.
        body: as sent.
        origin: address of the server, `http://127.0.0.1:PORT`.
    """

    method: str
    path: str
    query: Mapping[str, list[str]]
    headers: Mapping[str, str]
    body: bytes
    origin: str

    def parameter(self, name: str, default: str = "") -> str:
        """Give the last value of a parameter."""
        return self.query.get(name, [default])[-1]

    def json(self) -> dict[str, Any]:
        """Give the body.

        Raises:
            ErrorReply: 422, if it is not a JSON object.
        """
        try:
            content = json.loads(self.body)
        except ValueError as error:
            raise ErrorReply(422, "invalid parameter", f"body is not JSON: {error}") from error
        if not isinstance(content, dict):
            raise ErrorReply(422, "invalid parameter", "body is not a JSON object")
        return content

    def inputs(self) -> dict[str, Any]:
        """Give the request for data in the body.

        Raises:
            ErrorReply: 422, if there is none.
        """
        inputs = self.json().get("inputs")
        if not isinstance(inputs, dict):
            raise ErrorReply(422, "invalid parameter", "body has no object 'inputs'")
        return inputs


@dataclass
class Answer:
    """One HTTP reply.

    Attributes:
        status: code.
        body: content; what is sent of it may be less.
        headers: beside Content-Length.
        length: Content-Length if it is not the body's.
        send_only: the connection is closed after so many bytes of the body; None for all.
        bytes_per_second: how fast the body is sent; None for at once.
    """

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    send_only: int | None = None
    bytes_per_second: float | None = None

    def pieces(self) -> Iterator[bytes]:
        """Give what is sent, in parts."""
        body = memoryview(self.body)[: self.send_only]
        size = 2**18 if self.bytes_per_second is None else max(1, int(self.bytes_per_second / 20))
        for start in range(0, len(body), size):
            yield bytes(body[start : start + size])


def json_answer(content: Any, status: int = 200, **headers: str) -> Answer:
    """Answer with JSON."""
    body = json.dumps(content).encode()
    return Answer(status, body, {"Content-Type": "application/json", **headers})
