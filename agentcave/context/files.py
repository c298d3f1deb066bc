"""Files in a folder that an agent can write to: no symlink is followed, every read is bounded.

Everything is relative to a directory descriptor, so a folder swapped for a symlink meanwhile
changes nothing.
"""

import contextlib
import os
import stat
from collections.abc import Iterator
from typing import NamedTuple

from agentcave.errors import CaveError
from agentcave.model.hashing import sha256_hex

CHUNK = 1 << 16
PARTIAL = ".partial"
"""Reserved for the file being written; what a kill -9 leaves of it goes at the next write."""

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: opening a FIFO that an agent planted must not wait for a writer.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Folder(NamedTuple):
    """An open directory, and its path for messages."""

    descriptor: int
    path: str

    def where(self, name: str) -> str:
        return os.path.join(self.path, name)


def digest_of(data: bytes) -> str:
    return sha256_hex(data)


def fingerprint(status: os.stat_result) -> str:
    """``mtime_ns:size:ino``: while it stays the same, the content is taken to be the same."""
    return f"{status.st_mtime_ns}:{status.st_size}:{status.st_ino}"


def regular(path: str, parent: Folder | None = None) -> os.stat_result | None:
    """The status of a regular file, None when there is none. Raises CaveError for anything else."""
    try:
        status = os.lstat(path, dir_fd=parent.descriptor if parent else None)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise CaveError(f"cannot look at {_where(path, parent)}: {exc.strerror}") from exc
    if not stat.S_ISREG(status.st_mode):
        raise _unfit(_where(path, parent), status.st_mode, "a regular file")
    return status


def directory(path: str) -> os.stat_result | None:
    """The status of a real directory, None when nothing is there. Raises CaveError otherwise."""
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None
    except OSError as exc:
        raise CaveError(f"cannot look at {path}: {exc.strerror}") from exc
    if not stat.S_ISDIR(status.st_mode):
        raise _unfit(path, status.st_mode, "a directory")
    return status


@contextlib.contextmanager
def opened(path: str, parent: Folder | None = None) -> Iterator[Folder]:
    """A real directory, never what a symlink points at."""
    where = _where(path, parent)
    try:
        descriptor = os.open(path, _DIRECTORY, dir_fd=parent.descriptor if parent else None)
    except NotADirectoryError as exc:
        raise _unfit(where, os.lstat(where).st_mode, "a directory") from exc
    except OSError as exc:
        raise CaveError(f"cannot open the directory {where}: {exc.strerror}") from exc
    try:
        yield Folder(descriptor, where)
    finally:
        os.close(descriptor)


def read(path: str, limit: int, parent: Folder | None = None) -> tuple[bytes, os.stat_result]:
    """A whole regular file and its status.

    Raises CaveError when it is missing, not a regular file or larger than ``limit`` bytes.
    """
    data, status = read_start(path, limit + 1, parent)
    if len(data) > limit:
        where = _where(path, parent)
        raise CaveError(f"{where} is larger than {limit // 1024} KiB", "make it smaller")
    return data, status


def read_start(path: str, limit: int, parent: Folder | None = None) -> tuple[bytes, os.stat_result]:
    """At most ``limit`` bytes of a regular file and its status. Raises CaveError as ``read``."""
    where = _where(path, parent)
    try:
        descriptor = os.open(path, _READ, dir_fd=parent.descriptor if parent else None)
    except OSError as exc:
        if (status := _lstat_or_none(where)) and not stat.S_ISREG(status.st_mode):
            raise _unfit(where, status.st_mode, "a regular file") from exc
        raise CaveError(f"cannot read {where}: {exc.strerror}") from exc
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise _unfit(where, status.st_mode, "a regular file")
        return _read_at_most(descriptor, limit), status
    except OSError as exc:
        raise CaveError(f"cannot read {where}: {exc.strerror}") from exc
    finally:
        os.close(descriptor)


def create(folder: Folder, name: str, data: bytes, mode: int = 0o644, *, sync: bool = False) -> str:
    """Write a file that does not exist yet; its fingerprint. Raises OSError."""
    descriptor = os.open(name, _CREATE, mode, dir_fd=folder.descriptor)
    try:
        rest = memoryview(data)
        while rest:
            rest = rest[os.write(descriptor, rest) :]
        if sync:
            os.fsync(descriptor)
        return fingerprint(os.fstat(descriptor))
    finally:
        os.close(descriptor)


def replace(
    folder: Folder, name: str, data: bytes, mode: int = 0o644, *, sync: bool = False
) -> str:
    """Put a whole file in place by rename, or nothing at all; its fingerprint. Raises OSError."""
    here = folder.descriptor
    remove(folder, PARTIAL)
    try:
        written = create(folder, PARTIAL, data, mode, sync=sync)
        os.rename(PARTIAL, name, src_dir_fd=here, dst_dir_fd=here)
    except BaseException:
        remove(folder, PARTIAL)
        raise
    return written


def remove(folder: Folder, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder.descriptor)


@contextlib.contextmanager
def explained(path: str, doing: str = "write") -> Iterator[None]:
    """Turn an OSError into a CaveError that names the path."""
    try:
        yield
    except OSError as exc:
        raise CaveError(f"cannot {doing} {path}: {exc.strerror}") from exc


def _read_at_most(descriptor: int, limit: int) -> bytes:
    chunks = []
    while limit > 0 and (chunk := os.read(descriptor, min(limit, CHUNK))):
        chunks.append(chunk)
        limit -= len(chunk)
    return b"".join(chunks)


def _where(path: str, parent: Folder | None) -> str:
    return parent.where(path) if parent else path


def _lstat_or_none(path: str) -> os.stat_result | None:
    try:
        return os.lstat(path)
    except OSError:
        return None


def _unfit(path: str, mode: int, wanted: str) -> CaveError:
    if stat.S_ISLNK(mode):
        kind = "a symlink"
    elif stat.S_ISDIR(mode):
        kind = "a directory"
    else:
        kind = "a file" if stat.S_ISREG(mode) else "a FIFO, socket or device"
    return CaveError(f"{path} is {kind}, not {wanted}", "put the real thing there, or move it away")
