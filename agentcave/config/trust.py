"""What trust in a caves file binds: the bytes of all files that decide what is run."""

import os
from collections.abc import Iterator, Mapping

from agentcave.model.hashing import hmac_hex, sha256_hex

from . import files
from .document import Document
from .dotenv import parse_env
from .files import Unreadable, place, read_regular

MISSING = "missing"
_LIMIT = 16 << 20


def fingerprint(document: Document, *, home: str | None = None) -> dict[str, str]:
    """path -> sha256 of every input; ``missing`` for one that cannot be read.

    Caves files count with the bytes that were loaded, not with those of now.
    """
    return {
        path: MISSING if data is None else sha256_hex(data)
        for path, data in _inputs(document, home)
    }


def paths(document: Document, *, home: str | None = None) -> tuple[str, ...]:
    """Of every input, whether it is there or not."""
    home = home or os.path.expanduser("~")
    return tuple(place(written, document.directory, home) for written, _ in document.inputs)


def foreign(document: Document) -> str | None:
    """Why no content of an input can be trusted: somebody else may change it."""
    reasons = ((path, files.foreign(path)) for path in paths(document))
    return next((f"{path} {why}" for path, why in reasons if why), None)


def texts(document: Document, key: bytes, *, home: str | None = None) -> dict[str, str]:
    """path -> text of every input that is there, for the diff shown when trust is asked again.

    No value of an env_file is in it: only names, and digests with ``key``.
    """
    found = {
        path: data.decode(errors="replace")
        for path, data in _inputs(document, home)
        if data is not None
    }
    return without_values(document, found, key, home=home)


def without_values(
    document: Document, texts: Mapping[str, str], key: bytes, *, home: str | None = None
) -> dict[str, str]:
    """These texts, of which only those of caves files and prompts stay as they are."""
    inputs = zip(paths(document, home=home), document.inputs, strict=True)
    kinds = {(path, kind == "env") for path, (_, kind) in inputs}
    return {
        path: text if (path, False) in kinds and (path, True) not in kinds else _names(text, key)
        for path, text in texts.items()
    }


def _names(text: str, key: bytes) -> str:
    """An env_file by its names; a change of anything else shows in the digest of the whole."""
    values, _ = parse_env(text)
    lines = [f"{name}=[{_digest(value, key)}]" for name, value in values.items()]
    return "\n".join([*lines, f"# values are not shown; the whole file: [{_digest(text, key)}]"])


def _digest(text: str, key: bytes) -> str:
    return hmac_hex(key, text.encode())[:12]


def changes(old: Mapping[str, str], new: Mapping[str, str]) -> str:
    """A unified diff over all files, in order of their paths; empty when nothing changed."""
    from difflib import unified_diff

    lines: list[str] = []
    for path in sorted({*old, *new}):
        before, after = old.get(path, ""), new.get(path, "")
        names = path if path in old else os.devnull, path if path in new else os.devnull
        lines += unified_diff(before.splitlines(), after.splitlines(), *names, lineterm="")
    return "".join(line + "\n" for line in lines)


def _inputs(document: Document, home: str | None) -> Iterator[tuple[str, bytes | None]]:
    loaded = {source.path: source.data for source in document.sources}
    home = home or os.path.expanduser("~")
    for written, _ in document.inputs:
        path = place(written, document.directory, home)
        yield path, loaded[path] if path in loaded else _bytes(path)


def _bytes(path: str) -> bytes | None:
    try:
        return read_regular(path, _LIMIT)
    except Unreadable:
        return None
