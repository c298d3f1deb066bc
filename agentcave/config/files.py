"""Read what a project names: regular files only, bounded, never waiting."""

import os
import stat
from typing import NamedTuple

_CHUNK = 1 << 16


class Unreadable(Exception):
    """Why a file cannot be used; the message is for people."""


class Source(NamedTuple):
    """One caves file as it was read; ``path`` as ``named`` tells it."""

    path: str
    data: bytes

    @property
    def directory(self) -> str:
        return os.path.dirname(self.path)


def named(path: str) -> str:
    """Where a caves file is: in the real directory of its name, be it a link to one elsewhere.

    The project is where the name lies. Two names in one directory are one file.
    """
    real = os.path.realpath(path)
    folder, name = os.path.split(path)
    folder = os.path.realpath(folder)
    if name in ("", ".", "..") or os.path.dirname(real) == folder:
        return real
    return os.path.join(folder, name)


def read_regular(path: str, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes; raises ``Unreadable``.

    O_NONBLOCK: opening a FIFO would otherwise wait for a writer.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError) as exc:
        raise Unreadable(_why(exc)) from exc
    try:
        return _read(descriptor, limit)
    except OSError as exc:
        raise Unreadable(_why(exc)) from exc
    finally:
        os.close(descriptor)


def _read(descriptor: int, limit: int) -> bytes:
    status = os.fstat(descriptor)
    if stat.S_ISDIR(status.st_mode):
        raise Unreadable("it is a directory")
    if not stat.S_ISREG(status.st_mode):
        raise Unreadable("it is not a regular file")
    data, hint = b"", max(status.st_size, _CHUNK) + 1
    # Memory is taken for all that is asked for, before anything is read.
    while chunk := os.read(descriptor, min(hint, limit + 1 - len(data))):
        data = data + chunk if data else chunk
    if len(data) > limit:
        raise Unreadable(f"it is larger than {size(limit)}")
    return data


def size(count: int) -> str:
    return f"{count >> 20} MiB" if count >= 1 << 20 else f"{count} bytes"


def _why(exc: OSError | ValueError) -> str:
    match exc:
        case FileNotFoundError():
            return "it does not exist"
        case PermissionError():
            return "permission denied"
        case OSError(strerror=str(reason)):
            return reason
        case _:
            return "its name is not usable"


def foreign(path: str) -> str | None:
    """Why the content of this file cannot be trusted: somebody else may change it.

    Links are followed; what is not there is nobody's.
    """
    found = _stat(path)
    if found is None:
        return None
    if found.st_uid not in (0, os.getuid()):
        return f"belongs to somebody else (user {found.st_uid})"
    if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be written by others (`chmod go-w` ends that)"
    return None


def is_open_to_others(path: str) -> bool:
    """Whether others may read this file; links are followed."""
    found = _stat(path)
    return found is not None and bool(found.st_mode & (stat.S_IRGRP | stat.S_IROTH))


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except (OSError, ValueError):
        return None


def place(path: str, directory: str, home: str) -> str:
    """The absolute, normalised form of a path written in a file of ``directory``."""
    if path == "~" or path.startswith("~/"):
        path = home + path[1:]
    return os.path.normpath(os.path.join(directory, path))


def contains(directory: str, path: str) -> bool:
    """Whether ``path`` lies inside ``directory`` or is it; both absolute and normalised."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")


class RealPaths:
    """``os.path.realpath`` for thousands of neighbours: every directory is looked at once."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {"/": "/"}

    def __call__(self, path: str) -> str:
        if (known := self._known.get(path)) is not None:
            return known
        parent, leaf = os.path.split(path)
        real = self._step(self(parent), leaf)
        self._known[path] = real
        return real

    @staticmethod
    def _step(parent: str, leaf: str) -> str:
        joined = f"{parent.rstrip('/')}/{leaf}"
        try:
            is_link = stat.S_ISLNK(os.lstat(joined).st_mode)
        except OSError:
            return joined  # what does not exist is no link
        return os.path.realpath(joined) if is_link else joined
