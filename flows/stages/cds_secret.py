"""The key of the Climate Data Store from a Prefect Secret block."""

import os

from prefect.blocks.system import Secret

from pipelines.errors import DataError

__all__ = ["use_secret"]


def use_secret(block: str | None) -> None:
    """Let `cdsapi` find the key of a Secret block, as if it stood in CDSAPI_KEY.

    Args:
        block: the block's name; None does nothing.

    Raises:
        DataError: if there is no such block, or it holds no text.
    """
    if block is None:
        return
    try:
        secret = Secret.load(block)
    except ValueError as error:
        raise DataError(
            f"found no Prefect Secret block {block!r}; expected one with the key of the Climate "
            "Data Store (prefect block create secret, or in the Prefect page)"
        ) from error
    assert isinstance(secret, Secret)  # not awaited
    key = secret.get()
    if not isinstance(key, str) or not key.strip():
        raise DataError(f"the Prefect Secret block {block!r} holds no text; expected the key")
    os.environ["CDSAPI_KEY"] = key
