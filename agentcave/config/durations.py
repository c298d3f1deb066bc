"""Durations as people write them: ``500ms 10s 5m 2h``, also joined: ``1m30s``."""

import re

LONGEST = 10 * 365 * 86400.0
_PART = r"([0-9]+(?:\.[0-9]+)?)(ms|s|m|h)"
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def seconds(text: str) -> float:
    """The length in seconds. Raises ``ValueError`` without a unit, or out of all measure."""
    if not re.fullmatch(rf"(?:{_PART})+", text):
        raise ValueError("a duration needs a unit: 500ms, 10s, 5m, 2h")
    length = sum(float(number) * _SECONDS[unit] for number, unit in re.findall(_PART, text))
    if length > LONGEST:
        raise ValueError("a duration is at most 10 years")
    return length
