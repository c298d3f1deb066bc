"""Find and load caves files; unchanged ones come from the cache."""

import os
from collections.abc import Sequence

from agentcave.errors import SpecError, UsageError

from . import cache as stored
from .document import Document
from .files import Source, Unreadable, named, read_regular
from .problems import printable, shown

NAMES = ("caves.yaml", "caves.yml")
LOCAL = "caves.local.yaml"
_MAX_BYTES = 8 << 20


def find(start: str) -> str | None:
    """The caves file of ``start`` or of a directory above it, up to the git root.

    Raises ``UsageError`` when one directory holds two of them.
    """
    directory = os.path.abspath(start)
    while True:
        present = [name for name in NAMES if os.path.lexists(os.path.join(directory, name))]
        if len(present) > 1:
            raise UsageError(
                f"{printable(directory)} holds both {' and '.join(present)}",
                "remove one, or name one with --file",
            )
        if present:
            return os.path.join(directory, present[0])
        parent = os.path.dirname(directory)
        if parent == directory or os.path.lexists(os.path.join(directory, ".git")):
            return None
        directory = parent


def load(files: Sequence[str], *, cache: str | None = None) -> Document:
    """The merged project of one or more caves files, and of caves.local.yaml beside the first.

    ``cache`` is a directory of ours for finished documents; whatever is wrong with it, it is
    only a cache. Raises ``SpecError`` with all problems.
    """
    sources = _read(files)
    key = stored.key(sources) if cache is not None else b""
    document = stored.read(cache, key, sources) if cache is not None else None
    if document is None:
        from .build import build

        document = build(sources, cache)
        if cache is not None:
            stored.write(cache, key, sources, document)
    return document._replace(sources=tuple(sources))


def _read(files: Sequence[str]) -> list[Source]:
    if not files:
        raise UsageError("no caves file is named", "name one with --file")
    paths = list(dict.fromkeys(named(file) for file in files))
    local = os.path.join(os.path.dirname(paths[0]), LOCAL)
    if os.path.lexists(local) and named(local) not in paths:
        paths.append(named(local))
    sources: list[Source] = []
    problems: list[str] = []
    for path in paths:
        try:
            sources.append(Source(path, read_regular(path, _MAX_BYTES)))
        except Unreadable as exc:
            problems.append(printable(f"{shown(path)}: cannot be read: {exc}"))
    if problems:
        raise SpecError(problems)
    return sources
