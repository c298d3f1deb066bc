"""Files where somebody else may have put something: no open waits, or follows a symlink."""

import errno
import os
import stat


def regular(path: str, flags: int) -> int:
    """An ``opener`` for ``open``. Raises OSError (EINVAL) for what is no regular file.

    O_NONBLOCK: opening a FIFO, and many a device, would otherwise wait for somebody.
    """
    descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is not a regular file", path)
