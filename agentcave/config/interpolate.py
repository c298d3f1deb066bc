"""``${VAR}`` and its kin, in values only and after parsing: a value never adds structure."""

import re
from collections.abc import Mapping
from typing import Any

from .anchor import anchor_path, base_of, is_open, written
from .problems import Flaw, Path
from .suspicious import ADVICE, looks_like_a_key

_DOLLAR = r"\$(?:\$|\{([^}]*)(\}?))"
_INSIDE = r"([A-Za-z_][A-Za-z0-9_]*)(?:(:-|-|:\?|:\+)((?s:.*)))?"
_SPELLINGS = "write ${VAR}, ${VAR:-default}, ${VAR-default}, ${VAR:?message} or ${VAR:+value}"


class Unset(Exception):
    """A variable without a value, or an expression that is not understood."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


def interpolate(text: str, variables: Mapping[str, str]) -> str:
    """The text with its variables filled in; a lone ``$`` stays. Raises ``Unset``."""
    return re.sub(_DOLLAR, lambda found: _fill(found, variables), text)


def _fill(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found[0] == "$$":
        return "$"
    inside = re.fullmatch(_INSIDE, found[1])
    if not found[2] or inside is None or "${" in found[1]:
        what = "is nested" if "${" in found[1] else "is not understood" if found[2] else "is open"
        raise Unset(f"an expression that begins with ${{ {what}", _SPELLINGS)
    name, operator, operand = inside[1], inside[2], (inside[3] or "").replace("$$", "$")
    value = variables.get(name)
    match operator:
        case ":-":
            return value or operand
        case "-":
            return operand if value is None else value
        case ":+":
            return operand if value else ""
        case ":?" if not value:
            raise Unset(f"{name} is not set: {operand}", f"export {name}, or set it in an env_file")
        case None if value is None:
            hint = f"export it, set it in an env_file, or write ${{{name}:-default}}"
            raise Unset(f"the variable {name} is not set", hint)
    return value or ""


class Interpolation:
    """Fills in trees; equal sub-trees stay one object, so their types are built once."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self.flaws: list[Flaw] = []
        self._variables = variables
        self._known: dict[int, Any] = {}

    def __call__(self, node: Any, path: Path) -> Any:
        """The same object when nothing in it changes."""
        if isinstance(node, str):
            return self._text(node, path) if is_open(node) else node
        if not isinstance(node, dict | list):
            return node
        if id(node) not in self._known:
            self._known[id(node)] = self._container(node, path)
        return self._known[id(node)]

    def _container(self, node: Any, path: Path) -> Any:
        if isinstance(node, list):
            items = [self(item, (*path, index)) for index, item in enumerate(node)]
            return items if any(a is not b for a, b in zip(items, node, strict=True)) else node
        values = {key: self(value, (*path, key)) for key, value in node.items()}
        return values if any(values[key] is not node[key] for key in node) else node

    def _text(self, text: str, path: Path) -> str:
        try:
            value = interpolate(written(text), self._variables)
        except Unset as exc:
            self.flaws.append(Flaw(path, exc.message, exc.hint))
            return ""
        if looks_like_a_key(value):
            self.flaws.append(Flaw(path, "filled in, this looks like a key", ADVICE))
        if "\0" in value:
            self.flaws.append(Flaw(path, "filled in, this holds a NUL character"))
            return ""
        return anchor_path(value, base_of(text, "")) if written(text) != text else value
