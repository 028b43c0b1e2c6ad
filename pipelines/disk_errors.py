"""The disk's trouble, told from a file whose content is wrong."""

import errno

__all__ = ["is_of_disk"]


def is_of_disk(error: BaseException) -> bool:
    """Tell whether an error that came while a file was read is the system's, not the file's.

    Readers raise OSErrors of their own about content, without a number or with a negative one;
    a damaged offset leads to a place before the file's beginning, an invalid argument.
    """
    if not isinstance(error, OSError) or error.errno is None:
        return False
    return error.errno > 0 and error.errno != errno.EINVAL
