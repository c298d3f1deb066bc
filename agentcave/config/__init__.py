"""caves.yaml -> typed specs: find, load, select, resolve; render and schema_text to show it.

Every name is imported when it is first used: an unchanged file comes from a cache, and a command
that only reads pays for nothing else.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .document import Document as Document
    from .loading import find as find
    from .loading import load as load
    from .reader import yaml_backend as yaml_backend
    from .rendering import render as render
    from .resolving import resolve as resolve
    from .schema import schema_text as schema_text
    from .selection import select as select

_ROOMS = {
    "Document": "document",
    "find": "loading",
    "load": "loading",
    "render": "rendering",
    "resolve": "resolving",
    "schema_text": "schema",
    "select": "selection",
    "yaml_backend": "reader",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value
