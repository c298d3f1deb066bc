"""Text for people: safe to show whatever is in it, and aligned."""

import re
from collections.abc import Iterable, Sequence

_CONTROL = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
_ESCAPES = r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])"


def plain(text: str) -> str:
    """Text from files and agents without what would act on a terminal; newlines and tabs stay."""
    if text.isprintable():  # nearly always, and then the patterns need not be compiled
        return text
    return re.sub(_CONTROL, "", re.sub(_ESCAPES, "", text))


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color and code != "0" else text


def table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> str:
    """Columns, aligned, two spaces between; the last one is as long as it likes."""
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )
