"""env_files: ``KEY=VALUE`` lines with quotes, ``export`` and comments; nothing is run."""

import re
from typing import NamedTuple

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=[ \t]*")
_SINGLE = re.compile(r"'([^']*)'")
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_REST = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\n|\Z)")
_COMMENT = re.compile(r"(?:^|[ \t]+)#.*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "\n": ""}


class BadLine(NamedTuple):
    """Lines count from 1; the message never holds a value."""

    line: int
    message: str


def parse_env(text: str) -> tuple[dict[str, str], list[BadLine]]:
    """The variables of an env_file, and the lines that are not understood.

    ``'…'`` is taken as it is, ``"…"`` knows ``\\n \\r \\t \\" \\\\``, both may span lines; unquoted
    values end before a `` #``. Variables in values are not filled in.
    """
    values: dict[str, str] = {}
    bad: list[BadLine] = []
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    position = 0
    while position < len(text):
        end = text.find("\n", position)
        end = len(text) if end < 0 else end
        line = text[position:end].strip()
        if not line or line.startswith("#"):
            position = end + 1
            continue
        number = text.count("\n", 0, position) + 1
        found = _LINE.match(text, position, end)
        if found is None:
            bad.append(BadLine(number, "not KEY=VALUE"))
            position = end + 1
            continue
        value, position, problem = _value(text, found.end(), end)
        if problem or "\0" in value:
            bad.append(BadLine(number, f"{found[1]}: {problem or 'holds a NUL character'}"))
        else:
            values[found[1]] = value
    return values, bad


def _value(text: str, start: int, end: int) -> tuple[str, int, str | None]:
    quote = text[start : start + 1]
    if quote not in ("'", '"') or not quote:
        return _COMMENT.sub("", text[start:end]).strip(), end + 1, None
    quoted = (_SINGLE if quote == "'" else _DOUBLE).match(text, start)
    if quoted is None:
        return "", end + 1, "the quote is never closed"
    rest = _REST.match(text, quoted.end())
    if rest is None:
        after = text.find("\n", quoted.end())
        return "", len(text) if after < 0 else after + 1, "text follows the closing quote"
    value = quoted[1] if quote == "'" else re.sub(r"\\(.)", _unescape, quoted[1], flags=re.DOTALL)
    return value, rest.end(), None


def _unescape(found: re.Match[str]) -> str:
    return _ESCAPES.get(found[1], found[1] if found[1] in "\"'\\$" else found[0])
