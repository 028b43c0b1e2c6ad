"""The errors that a user can mend."""

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["DataError", "TrainingError", "as_data_error"]


class DataError(ValueError):
    """Input data or settings are not what they must be; the message says found and expected.

    Commands print the message alone and end with status 2.
    """


class TrainingError(RuntimeError):
    """A training ended without a model; the message says how, and how to go on.

    Commands print the message alone and end with status 1.
    """


@contextmanager
def as_data_error() -> Iterator[None]:
    """Turn a refusal of the library, which knows no user, into a `DataError` of the same words."""
    try:
        yield
    except ValueError as error:
        raise DataError(str(error)) from error
