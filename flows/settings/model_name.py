"""Names that a registered model may have."""

import re
from typing import Any

__all__ = ["model_name"]


def model_name(name: Any) -> str:
    """Give a name back; refuse one that would end a text inside MLflow's searches, or be a path.

    Raises:
        ValueError: if it has other characters than those expected.
    """
    if not isinstance(name, str) or re.fullmatch(r"\w[\w. -]*", name) is None:
        raise ValueError(
            f"tracking.registered_model is {name!r}; expected letters, digits, blanks and . _ -, "
            "a letter or digit first"
        )
    return name
