"""The stamp as the one word that rides in a pane's start command."""

import json
from binascii import Error, a2b_base64, b2a_base64
from functools import lru_cache
from typing import Any

from agentcave.model.observed import Stamp

VERSION = 1
FIELD_TYPES = [str] * (len(Stamp._fields) - 1) + [int]
VARIABLE = "AGENTCAVE_STAMP"


def encode(stamp: Stamp) -> str:
    """URL-safe base64 of JSON: nothing in it means anything to a shell or to tmux."""
    text = json.dumps([VERSION, *stamp], separators=(",", ":"))
    word = b2a_base64(text.encode(), newline=False).decode()
    return word.replace("+", "-").replace("/", "_").rstrip("=")


def decode(word: str) -> Stamp | None:
    """None for what is no stamp: somebody else's pane.

    A newer version may add fields and keeps these (see ``version_of``).
    """
    version, fields = _read(word)
    known = fields[: len(FIELD_TYPES)] if version > VERSION else fields
    sound = version >= VERSION and [type(field) for field in known] == FIELD_TYPES
    return Stamp._make(known) if sound else None


def version_of(word: str) -> int:
    """The version of a stamp; 0 for what is none."""
    return _read(word)[0]


@lru_cache(maxsize=4096)
def _read(word: str) -> tuple[int, list[Any]]:
    try:
        padded = word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4)
        version, *fields = json.loads(a2b_base64(padded))
    except (Error, ValueError, TypeError):
        return 0, []
    return (version, fields) if type(version) is int and version > 0 else (0, [])
