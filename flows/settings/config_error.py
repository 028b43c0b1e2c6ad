"""Wrong settings as one line that names what was found and what could stand there."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pipelines.errors import DataError

__all__ = ["ConfigError", "one_line", "refusing_wrong_settings"]

# What building plain settings of a wrong value, or of another form than `configs/`, raises.
_WRONG_SETTINGS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError)


class ConfigError(DataError):
    """An override or a setting is wrong; the message is one line and names the choices."""


@contextmanager
def refusing_wrong_settings() -> Iterator[None]:
    """Turn what a wrong setting raises, where settings are built, into one line.

    Raises:
        ConfigError: if a value is refused; a `ConfigError` from inside passes as it is.
    """
    from hydra.errors import InstantiationException  # Hydra takes a while, and help needs none

    try:
        yield
    except ConfigError:
        raise
    except InstantiationException as error:  # the class's own words are its cause
        raise ConfigError(one_line(error.__cause__ or error)) from error
    except _WRONG_SETTINGS as error:
        raise ConfigError(one_line(error)) from error


def one_line(error: BaseException) -> str:
    """Fold an exception's text into one line."""
    if isinstance(error, LookupError | AttributeError):  # a key was removed, or a node replaced
        text = f"settings lack a part or have another form than in configs/ ({error!r})"
        return re.sub(r"\s+", " ", text)
    return re.sub(r"\s+", " ", str(error)).strip() or type(error).__name__
