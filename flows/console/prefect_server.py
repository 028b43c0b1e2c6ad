"""The user's own Prefect server, asked before the run begins."""

import base64

import httpx
from prefect.settings import PREFECT_API_AUTH_STRING, PREFECT_API_KEY, PREFECT_API_URL

from flows.console.reachable import ANSWER_SECONDS, require_server
from flows.settings.config_error import ConfigError

__all__ = ["require_prefect"]

_NAME = "Prefect's server (PREFECT_API_URL, or the active profile)"
_CURE = (
    "start it (make up), or unset PREFECT_API_URL and choose another profile (prefect profile use "
    "ephemeral)"
)


def require_prefect() -> None:
    """Check that the server that Prefect's settings name answers, and takes our key.

    Raises:
        ConfigError: if it does not answer within `ANSWER_SECONDS`, refuses the key, or is not
            Prefect's.
    """
    api = PREFECT_API_URL.value()
    if not api:
        return
    require_server(api, name=_NAME, cure=_CURE)
    try:
        # A question that Prefect's own server and its cloud both answer only to whom they know.
        answer = httpx.post(
            f"{api.rstrip('/')}/flows/count", json={}, headers=_key(), timeout=ANSWER_SECONDS
        )
    except httpx.HTTPError as error:
        raise ConfigError(
            f"{_NAME} does not answer at {api} within {ANSWER_SECONDS:.0f} s "
            f"({error or type(error).__name__}); {_CURE}"
        ) from error
    if answer.status_code in (401, 403):
        raise ConfigError(
            f"{_NAME} at {api} refuses the key (status {answer.status_code}); expected its key in "
            "PREFECT_API_KEY, or its PREFECT_API_AUTH_STRING"
        )
    if answer.status_code != 200 or not answer.text.strip().isdigit():
        raise ConfigError(
            f"{_NAME}: what answers at {api} is not Prefect (status {answer.status_code}); "
            f"expected an address as http://127.0.0.1:4200/api; {_CURE}"
        )


def _key() -> dict[str, str]:
    """Give the header by which Prefect's clients say who they are."""
    key, pair = PREFECT_API_KEY.value(), PREFECT_API_AUTH_STRING.value()
    if key:
        return {"Authorization": f"Bearer {key}"}
    if pair:
        text = base64.b64encode(str(pair).encode()).decode()
        return {"Authorization": f"Basic {text}"}
    return {}
