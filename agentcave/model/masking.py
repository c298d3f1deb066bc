"""Values that must not be seen, taken out of what somebody else has written. Pure."""

import re
from collections.abc import Iterable

MASK = "[redacted]"
SHORTEST = 4
"""Characters that a value needs: shorter ones are in every other word."""


def masked(text: str, values: Iterable[str]) -> str:
    """The text without these values; one of many lines is looked for line by line."""
    lines = {line.strip() for value in values for line in value.splitlines()}
    parts = sorted((one for one in lines if len(one) >= SHORTEST), key=len, reverse=True)
    if not parts:
        return text
    shown, end = [], 0
    for start, stop in _places(text, parts):
        if start >= end:
            shown += [text[end:start], MASK]
        end = max(end, stop)
    return "".join([*shown, text[end:]])


def _places(text: str, parts: list[str]) -> Iterable[tuple[int, int]]:
    """Where each begins and ends, also where they overlap; ``parts``: the longest first."""
    anywhere = re.compile(f"(?=({'|'.join(map(re.escape, parts))}))")
    return (found.span(1) for found in anywhere.finditer(text))
