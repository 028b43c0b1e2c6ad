"""The errors that a user can cause and mend."""

__all__ = ["DataError"]


class DataError(ValueError):
    """Input data or settings are not what they must be; the message says found and expected.

    Commands print the message alone and end with status 2.
    """
