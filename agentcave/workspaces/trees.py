"""Files of a workspace, written and removed without ever following a symlink in it."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator

from agentcave.errors import CaveError
from agentcave.hosts.files import regular

PARTIAL = ".agentcave-partial"
DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextlib.contextmanager
def parent_of(root: str, relative: str, *, make: bool = False) -> Iterator[tuple[int, str]]:
    """A descriptor of the directory that holds ``relative``, and the last part of the name.

    Raises OSError (ENOTDIR, ELOOP) when a directory on the way is a symlink.
    """
    *folders, name = relative.split("/")
    descriptor = os.open(root, DIRECTORY)
    try:
        for folder in folders:
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(folder, dir_fd=descriptor)
            inner = os.open(folder, DIRECTORY, dir_fd=descriptor)
            os.close(descriptor)
            descriptor = inner
        yield descriptor, name
    finally:
        os.close(descriptor)


def lexists_at(descriptor: int, name: str) -> bool:
    try:
        os.lstat(name, dir_fd=descriptor)
    except FileNotFoundError:
        return False
    return True


def remove_tree(descriptor: int, name: str) -> None:
    """Remove a file, a symlink or a whole directory below an open directory; absent is fine.

    Raises OSError (EXDEV) for a mount point: what is on another device is somebody else's.
    """
    with contextlib.suppress(FileNotFoundError):
        if not stat.S_ISDIR(os.lstat(name, dir_fd=descriptor).st_mode):
            os.unlink(name, dir_fd=descriptor)
            return
        inner = os.open(name, DIRECTORY, dir_fd=descriptor)
        try:
            if os.fstat(inner).st_dev != os.fstat(descriptor).st_dev:
                raise OSError(errno.EXDEV, "it is a mount point", name)
            os.fchmod(inner, 0o700)  # caches of packages are read-only
            for entry in os.listdir(inner):
                remove_tree(inner, entry)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=descriptor)


def remove_path(path: str) -> None:
    """Remove what an absolute path names. Raises CaveError when something of it cannot go."""
    folder, name = os.path.split(path)
    try:
        with parent_of(folder, name) as (descriptor, last):
            remove_tree(descriptor, last)
    except FileNotFoundError:
        return
    except OSError as exc:
        raise CaveError(f"cannot remove {path}: {exc.strerror}") from exc


def files_below(root: str, relative: str) -> Iterator[str]:
    """Everything but directories at or below ``root/relative``, as paths relative to ``root``."""
    path = os.path.join(root, relative)
    if os.path.islink(path) or not os.path.isdir(path):
        yield relative
        return
    for entry in sorted(os.listdir(path)):
        yield from files_below(root, f"{relative}/{entry}")


def fingerprint(path: str) -> str:
    """sha256 of a file's content; of a directory: of all its names, contents and link targets.

    Raises CaveError for what is neither file, directory nor link, OSError when it is unreadable.
    """
    from hashlib import sha256

    mode = os.lstat(path).st_mode
    if stat.S_ISLNK(mode):
        return f"link:{os.readlink(path)}"
    if stat.S_ISDIR(mode):
        whole = sha256()
        for entry in sorted(os.listdir(path)):
            whole.update(os.fsencode(entry) + b"\0")
            whole.update(os.fsencode(fingerprint(os.path.join(path, entry))) + b"\0")
        return f"tree:{whole.hexdigest()}"
    if not stat.S_ISREG(mode):
        raise CaveError(f"{path} is neither a file, a directory nor a link")
    content = sha256()
    with open(path, "rb", opener=regular) as file:
        while chunk := file.read(1 << 18):
            content.update(chunk)
    return content.hexdigest()
