"""Finished documents, kept by the content of what they were made from. Only ever a cache.

A file is 32 bytes of key, 32 bytes of checksum, and what marshal makes of a document (it keeps the
identity of shared sub-trees) or of the compiled schema. Nothing interpolated and no secret's value
is in it.
"""

import contextlib
import marshal
import os
import sys
from collections.abc import Sequence
from typing import Any

from agentcave.model.hashing import sha256, sha256_hex

from .document import Document
from .files import Source, Unreadable, read_regular
from .private import make_private

_LIMIT = 256 << 20
_DIGEST = 32


def key(sources: Sequence[Source]) -> bytes:
    """A fingerprint of the sources, of this program and of the interpreter that marshals."""
    digest = sha256(sys.version.encode())
    digest.update(_program())
    for source in sources:
        digest.update(b"%d:" % len(source.path) + os.fsencode(source.path))
        digest.update(b"%d:" % len(source.data) + source.data)
    return bytes(digest.digest())


def _program() -> bytes:
    """Sizes and times of this room's files: another version of it makes other documents."""
    with os.scandir(os.path.dirname(__file__)) as entries:
        found = [
            (entry.name, status.st_size, status.st_mtime_ns)
            for entry in entries
            if entry.name.endswith((".py", ".json"))
            for status in (entry.stat(),)
        ]
    return repr(sorted(found)).encode()


def read(directory: str, key: bytes, sources: Sequence[Source]) -> Document | None:
    """The document of this key, or None when it is not there, not whole or not ours."""
    payload = fetch(_path(directory, sources), key)
    return None if payload is None else Document(*marshal.loads(payload))


def write(directory: str, key: bytes, sources: Sequence[Source], document: Document) -> None:
    """Keep a document, in place of the last one of these files. Failing to is no failure."""
    fields: Any = tuple(document._replace(sources=()))
    keep(_path(directory, sources), key, marshal.dumps(fields))


def fetch(path: str, key: bytes) -> memoryview | None:
    """What was kept under this key, if it is whole, ours, and writable by nobody else."""
    try:
        status = os.lstat(path)
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            return None
        data = read_regular(path, _LIMIT)
    except (OSError, Unreadable):
        return None
    payload = memoryview(data)[2 * _DIGEST :]
    intact = data[:_DIGEST] == key and sha256(payload).digest() == data[_DIGEST : 2 * _DIGEST]
    return payload if intact else None


def keep(path: str, key: bytes, payload: bytes) -> None:
    """Put it in place of what was kept there. Failing to is no failure."""
    data = key + sha256(payload).digest() + payload
    temporary = f"{path}.{os.getpid()}"
    with contextlib.suppress(OSError):
        make_private(os.path.dirname(path))
        try:
            _write_new(temporary, data)
            os.replace(temporary, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary)
            raise


def _write_new(path: str, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with open(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)


def _path(directory: str, sources: Sequence[Source]) -> str:
    names = "\0".join(source.path for source in sources)
    return os.path.join(directory, sha256_hex(os.fsencode(names))[:32] + ".caves")
