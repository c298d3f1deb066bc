"""A member put into the text of a JSON object, with every other byte left as it is. Pure."""

import json
from collections.abc import Sequence
from typing import Any

_BLANK = " \t\r\n"


def put(text: str, path: Sequence[str], value: Any) -> str | None:
    """The text with ``value`` at the end of ``path``; None when it holds that already.

    Objects on the way are made. Raises ValueError (with ``lineno`` and ``colno`` when it is no
    JSON) for what is not an object on the way.
    """
    if not text.strip():
        return json.dumps(_nested(path, value), indent=2) + "\n"
    json.loads(text)  # whole, or refused
    return _put(text, _blank(text, 0), tuple(path), value)


def _put(text: str, start: int, path: tuple[str, ...], value: Any) -> str | None:
    if text[start] != "{":
        raise ValueError(f"there is something else than an object above {'.'.join(path)}")
    found = _member(text, start, path[0])
    if found is None:
        return _insert(text, start, path[0], _nested(path[1:], value))
    if len(path) > 1:
        return _put(text, found[0], path[1:], value)
    if json.loads(text[slice(*found)]) == value:
        return None
    return text[: found[0]] + json.dumps(value) + text[found[1] :]


def _member(text: str, start: int, name: str) -> tuple[int, int] | None:
    """Where the value of a member begins and ends; of several of one name the last counts."""
    decoder, found = json.JSONDecoder(), None
    position = _blank(text, start + 1)
    while text[position] != "}":
        key, position = decoder.raw_decode(text, position)
        position = _blank(text, _blank(text, position) + 1)  # behind the colon
        _, end = decoder.raw_decode(text, position)
        if key == name:
            found = (position, end)
        position = _blank(text, end)
        if text[position] == ",":
            position = _blank(text, position + 1)
    return found


def _insert(text: str, start: int, name: str, value: Any) -> str:
    """As the first member, with the blanks of the one that was first."""
    inner = _blank(text, start + 1)
    blanks = text[start + 1 : inner]
    member = f"{json.dumps(name)}: {json.dumps(value)}"
    if text[inner] == "}":
        return f"{text[: start + 1]}{member}{text[inner:]}"
    return f"{text[: start + 1]}{blanks}{member},{blanks or ' '}{text[inner:]}"


def _nested(path: Sequence[str], value: Any) -> Any:
    for name in reversed(path):
        value = {name: value}
    return value


def _blank(text: str, position: int) -> int:
    while text[position] in _BLANK:
        position += 1
    return position
