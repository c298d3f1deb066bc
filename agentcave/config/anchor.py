"""Paths are relative to the file they are written in: those of other directories carry theirs."""

from typing import Any

from .files import place

_MARK = "\0"  # the reader admits no NUL, so no written path can begin with it


def anchor(cave: dict[str, Any], directory: str) -> dict[str, Any]:
    """A partial cave whose paths remember the directory of the file they are written in."""
    anchored: dict[str, Any] = _at(cave, directory, _CAVE)
    return anchored


def anchor_path(path: str, directory: str) -> str:
    return f"{_MARK}{directory}{_MARK}{path}"


def written(path: str) -> str:
    """The path as the user wrote it."""
    return path.rpartition(_MARK)[2]


def is_open(text: str) -> bool:
    """Whether interpolation would change this text."""
    return "${" in text or "$$" in text


def base_of(path: str, directory: str) -> str:
    """The directory that a path is relative to."""
    return path.split(_MARK)[1] if path.startswith(_MARK) else directory


def absolute(path: str, directory: str, home: str) -> str:
    return place(written(path), base_of(path, directory), home)


_FILE: dict[str, Any] = {"file": None}
_CAVE: dict[str, Any] = {
    "workspace": {"path": None},
    "context": {"*": _FILE},
    "secrets": {"*": _FILE},
    "agents": {"*": {"secrets": {"*": _FILE}, "prompt": _FILE}},
}


def _at(node: Any, directory: str, shape: dict[str, Any] | None) -> Any:
    if shape is None:
        return anchor_path(node, directory) if isinstance(node, str) else node
    if not isinstance(node, dict):
        return node
    wild = shape.get("*")
    return {
        key: _at(value, directory, shape.get(key, wild)) if key in shape or wild else value
        for key, value in node.items()
    }
