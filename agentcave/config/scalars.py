"""YAML 1.2 core schema: what a plain scalar means (https://yaml.org/spec/1.2.2/#103-core-schema)."""

import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | None] = {
    "": None, "~": None, "null": None, "Null": None, "NULL": None,
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
}  # fmt: skip
_NUMERIC = frozenset("0123456789+-.")
_INTEGER = re.compile(r"[-+]?[0-9]+")
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
    r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
)
_LONGEST = 40


def plain(text: str) -> Scalar:
    """The value of an unquoted scalar. Raises ``ValueError`` for a number out of all measure."""
    if text in _WORDS:
        return _WORDS[text]
    return _number(text) if text[0] in _NUMERIC else text


def _number(text: str) -> Scalar:
    if not (_INTEGER.fullmatch(text) or _BASED.fullmatch(text) or _FLOAT.fullmatch(text)):
        return text
    if len(text) > _LONGEST:
        raise ValueError("the number is too long")
    if _INTEGER.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    number = float(text) if "n" not in text.lower() else float("nan")
    if number - number != 0:
        raise ValueError("the number is not finite")
    return number
