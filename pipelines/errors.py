"""The errors that a user can mend."""

__all__ = ["DataError", "TrainingError"]


class DataError(ValueError):
    """Input data or settings are not what they must be; the message says found and expected.

    Commands print the message alone and end with status 2.
    """


class TrainingError(RuntimeError):
    """A training ended without a model; the message says how, and how to go on.

    Commands print the message alone and end with status 1.
    """
