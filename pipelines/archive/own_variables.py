"""Variables that an archive holds beside those of the table: it tells them whoever opens it."""

from collections.abc import Mapping
from typing import Any

from met2net.data.variable_definitions import DEFINITIONS, define_all
from pipelines.errors import DataError

__all__ = ["learn_variables"]


def learn_variables(settings: Mapping[str, Any]) -> None:
    """Make the variables known that an archive was made with.

    Args:
        settings: of the archive, as plain values.

    Raises:
        DataError: if this process knows one of them as something else.
    """
    try:
        define_all(settings.get(DEFINITIONS, {}))
    except ValueError as error:
        raise DataError(f"the archive's variables are others than those of the settings: {error}"
                        ) from error  # fmt: skip
