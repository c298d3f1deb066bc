"""Folders of our own: nobody else looks into them."""

import os
import stat

CLOSED = 0o700


def make_private(path: str) -> None:
    """Make a folder, and what is missing above it, for us alone, whatever the umask.

    One that is there is closed to others, as everything in it was meant for us. Raises OSError
    where that cannot be.
    """
    if not os.path.isdir(parent := os.path.dirname(path) or "."):
        make_private(parent)
    try:
        os.mkdir(path, CLOSED)
    except FileExistsError:
        _close(path)
    else:
        os.chmod(path, CLOSED)  # the umask may have taken something from us


def _close(path: str) -> None:
    mode = os.stat(path).st_mode
    if not stat.S_ISDIR(mode):
        raise NotADirectoryError(0, "it is not a directory", path)
    if mode & ~CLOSED & 0o777:
        os.chmod(path, mode & CLOSED)
