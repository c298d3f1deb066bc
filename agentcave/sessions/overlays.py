"""A user's folder as one agent sees it: an ``Overlay`` made in the session's own folder.

Blocking code. Of the user's own files, none is written; the links go to where those really lie,
so that they hold when one session starts another.
"""

import json
import os
import re
from collections.abc import Mapping
from typing import Any

from agentcave.agents.base import Overlay
from agentcave.config.private import make_private
from agentcave.errors import CaveError
from agentcave.hosts import Host
from agentcave.hosts.files import regular

TRANSIENT = (".lock", ".tmp")
"""Endings of what will be gone; a link that leads nowhere would look like a lock for ever."""
_TOKEN = re.compile(r'"(?:\\.|[^"\\])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)


def lay(overlay: Overlay, folder: str, host: Host) -> None:
    """Make an overlay in a session's own folder.

    Raises CaveError when the user's settings cannot be read or understood; nothing is written
    then. Raises OSError for what cannot be made.
    """
    settings = _settings(overlay) if overlay.file else None
    for name in overlay.folders:
        os.makedirs(os.path.join(overlay.source, name), exist_ok=True)
    place = os.path.join(folder, overlay.place)
    make_private(place)
    for name in _names(overlay):
        os.symlink(os.path.realpath(os.path.join(overlay.source, name)), os.path.join(place, name))
    if settings is not None:
        data = json.dumps(settings, indent=2, ensure_ascii=False).encode("utf-8", "surrogatepass")
        host.write_file(os.path.join(place, overlay.file), data)


def _names(overlay: Overlay) -> list[str]:
    """Of the entries that ``only`` asks for, those that exist."""
    try:
        found = set(os.listdir(overlay.source))
    except FileNotFoundError:
        found = set()
    if overlay.only is not None:
        found &= set(overlay.only)
    found |= set(overlay.names)
    return sorted(name for name in found - {overlay.file} if not name.endswith(TRANSIENT))


def _settings(overlay: Overlay) -> dict[str, Any]:
    own = _read(os.path.join(overlay.source, overlay.file))
    return merged(merged(overlay.defaults, own, append=False), overlay.merge)


def _read(path: str) -> dict[str, Any]:
    try:
        with open(os.path.realpath(path), encoding="utf-8", opener=regular) as file:
            text = file.read()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as exc:
        raise CaveError(f"cannot read {path}: {exc}", _HINT) from exc
    try:
        value = json.loads(without_comments(text)) if text.strip() else {}
    except json.JSONDecodeError as exc:
        raise CaveError(f"{path}:{exc.lineno}:{exc.colno}: {exc.msg}", _HINT) from exc
    except RecursionError as exc:
        raise CaveError(f"{path}: it is nested too deeply", _HINT) from exc
    if not isinstance(value, dict):
        raise CaveError(f"{path}:1: the settings are no JSON object", _HINT)
    return value


_HINT = "correct that file, which is left as it is, and start the agent again"


def merged(
    base: Mapping[str, Any], over: Mapping[str, Any], *, append: bool = True
) -> dict[str, Any]:
    """``over`` laid over ``base``: mappings merge, lists are appended, anything else replaces.

    With ``append`` False, lists replace too.
    """
    result = dict(base)
    for name, value in over.items():
        known = result.get(name)
        if isinstance(value, Mapping):
            known = known if isinstance(known, Mapping) else {}
            result[name] = merged(known, value, append=append)
        elif isinstance(value, list | tuple) and append and known is not None:
            result[name] = [*(known if isinstance(known, list | tuple) else [known]), *value]
        else:
            result[name] = value
    return result


def without_comments(text: str) -> str:
    """JSON with blanks in place of its comments, so that every line stays where it is."""
    return _TOKEN.sub(lambda token: token[0] if token[0][0] == '"' else _blank(token[0]), text)


def _blank(comment: str) -> str:
    return re.sub(r"\S", " ", comment)
