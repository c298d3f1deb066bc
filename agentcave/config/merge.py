"""Layers of a cave, laid over one another: mappings merge, the rest replaces, null removes."""

from collections.abc import Iterable, Mapping
from typing import Any

Node = Mapping[str, Any]

_WHOLE = "whole"
_PLAIN = "plain"
_ENVIRONMENT = "environment"
_WORKSPACE = "workspace"

# kind of mapping -> key -> kind of the value; "*" stands for any other key
_KINDS: Mapping[str, Mapping[str, str]] = {
    "cave": {
        "workspace": _WORKSPACE,
        "agents": "agents",
        "context": "sources",
        "secrets": "sources",
        "environment": _ENVIRONMENT,
    },
    "agents": {"*": "agent"},
    "agent": {
        "prompt": _WHOLE,
        "ready": _WHOLE,
        "secrets": "sources",
        "environment": _ENVIRONMENT,
    },
    "sources": {"*": _WHOLE},
}


def fold(layers: Iterable[Node]) -> dict[str, Any]:
    """One cave out of its layers, the first lowest. Nulls and ``x-`` keys are gone after it."""
    merged: Any = {}
    for layer in layers:
        merged = merge(merged, layer, "cave")
    result: dict[str, Any] = merged
    return result


def merge(base: Any, over: Any, kind: str = _PLAIN) -> Any:
    """``over`` laid over ``base``; neither is changed. In an environment null stays: it unsets."""
    if not isinstance(over, dict):
        return over
    if not isinstance(base, dict) or kind == _WHOLE or _other_workspace(base, over, kind):
        base = {}
    result = dict(base)
    kinds = _KINDS.get(kind, {})
    for key, value in over.items():
        if key.startswith("x-"):
            continue
        if value is None and kind != _ENVIRONMENT:
            result.pop(key, None)
        else:
            result[key] = merge(result.get(key), value, kinds.get(key) or kinds.get("*", _PLAIN))
    return result


def _other_workspace(base: Node, over: Node, kind: str) -> bool:
    if kind != _WORKSPACE or "type" not in over:
        return False
    return bool((over["type"] or "worktree") != base.get("type", "worktree"))


def intern(node: Any, known: dict[Any, Any]) -> Any:
    """The same value, where equal sub-trees are one object: they are stored and typed once."""
    if isinstance(node, dict):
        node = {sure(key, known): intern(value, known) for key, value in node.items()}
        mark: Any = ("map", tuple((key, _mark(value)) for key, value in node.items()))
    elif isinstance(node, list):
        node = [intern(value, known) for value in node]
        mark = ("list", tuple(map(_mark, node)))
    else:
        mark = (type(node), node)
    return known.setdefault(mark, node)


def sure(text: str, known: dict[Any, Any]) -> str:
    result: str = known.setdefault((str, text), text)
    return result


def _mark(value: Any) -> Any:
    return id(value) if isinstance(value, dict | list) else (type(value), value)
