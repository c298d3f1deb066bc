"""Files where somebody else may have put something: no open waits, or follows a symlink."""

import errno
import os
import stat


def regular(path: str, flags: int) -> int:
    """An ``opener`` for ``open``. Raises OSError (EINVAL) for what is no regular file.

    O_NONBLOCK: opening a FIFO, and many a device, would otherwise wait for somebody.
    """
    try:
        descriptor = os.open(path, flags | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENXIO, errno.EISDIR):
            raise _no_file(path) from exc
        raise
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise _no_file(path)


def _no_file(path: str) -> OSError:
    return OSError(errno.EINVAL, f"{os.path.basename(path)} is not a regular file", path)
