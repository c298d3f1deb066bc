"""The stamp as the one word that rides in a pane's start command."""

import json
from binascii import Error, a2b_base64, b2a_base64
from functools import lru_cache

from agentcave.model.observed import Stamp

VERSION = 1
FIELD_TYPES = [str] * (len(Stamp._fields) - 1) + [int]
VARIABLE = "AGENTCAVE_STAMP"


def encode(stamp: Stamp) -> str:
    """URL-safe base64 of JSON: nothing in it means anything to a shell or to tmux."""
    text = json.dumps([VERSION, *stamp], separators=(",", ":"))
    word = b2a_base64(text.encode(), newline=False).decode()
    return word.replace("+", "-").replace("/", "_").rstrip("=")


@lru_cache(maxsize=4096)
def decode(word: str) -> Stamp | None:
    """None for what is no stamp of ours, or one of another version: somebody else's pane."""
    try:
        padded = word.replace("-", "+").replace("_", "/") + "=" * (-len(word) % 4)
        version, *fields = json.loads(a2b_base64(padded))
        stamp = Stamp._make(fields)
    except (Error, ValueError, TypeError):
        return None
    sound = version == VERSION and [type(field) for field in fields] == FIELD_TYPES
    return stamp if sound else None
