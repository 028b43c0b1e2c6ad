"""The service's refusals: status, title, detail and the body they travel in."""

import uuid

__all__ = ["USUAL", "ErrorReply"]

# What the service says by status where a call gives nothing more special.
USUAL: dict[int, tuple[str, str]] = {
    400: ("invalid request", "Request has not produced a valid combination of values."),
    401: ("operation not allowed", "authentication failed"),
    403: ("permission denied", "operation not permitted"),
    404: ("not found", "the resource does not exist"),
    422: ("invalid parameter", "the request holds an invalid parameter"),
    429: ("rate limit exceeded", "Rate limit exceeded. Please wait {retry_after} seconds."),
    500: ("internal server error", "an error occurred while processing the request"),
    502: ("bad gateway", "the upstream server did not answer"),
    503: ("service unavailable", "the service is down for maintenance"),
    504: ("read timeout error", "the database did not answer in time"),
}


class ErrorReply(Exception):
    """A call is refused.

    Args:
        code: HTTP status.
        title: the service's short words; by default the usual ones of the status.
        detail: the service's long words; by default the usual ones.
        kind: the body's `type`; by default the title.
        retry_after: [s], sent as the header of that name.
        traceback: message of a job that failed.
    """

    def __init__(
        self,
        code: int,
        title: str | None = None,
        detail: str | None = None,
        *,
        kind: str | None = None,
        retry_after: float | None = None,
        traceback: str | None = None,
    ) -> None:
        usual_title, usual_detail = USUAL.get(code, ("error", "an error occurred"))
        self.code = code
        self.title = usual_title if title is None else title
        self.detail = usual_detail.format(retry_after=retry_after) if detail is None else detail
        self.kind = self.title if kind is None else kind
        self.retry_after = retry_after
        self.traceback = traceback
        super().__init__(f"{code} {self.title}: {self.detail}")

    def body(self, instance: str) -> dict[str, object]:
        """Give the JSON body; `instance` is the address that was called."""
        body: dict[str, object] = {
            "type": self.kind, "title": self.title, "status": self.code, "detail": self.detail,
            "instance": instance, "trace_id": uuid.uuid4().hex,
        }  # fmt: skip
        if self.traceback is not None:
            body["traceback"] = self.traceback
        return body

    @property
    def headers(self) -> dict[str, str]:
        """Headers beside the usual ones."""
        return {} if self.retry_after is None else {"Retry-After": f"{self.retry_after:g}"}
