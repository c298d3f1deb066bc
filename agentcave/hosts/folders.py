"""Where the history of a project lies: ``$XDG_STATE_HOME/agentcave/<name>-<uid>``, mode 0700."""

import os
from collections.abc import Mapping

from agentcave.config.private import make_private
from agentcave.errors import CaveError


def state_root(environ: Mapping[str, str]) -> str:
    base = _absolute(environ, "XDG_STATE_HOME") or os.path.join(_home(environ), ".local", "state")
    return os.path.join(base, "agentcave")


def cache_folder(environ: Mapping[str, str]) -> str:
    base = _absolute(environ, "XDG_CACHE_HOME") or os.path.join(_home(environ), ".cache")
    return os.path.join(base, "agentcave")


def existing_folder(root: str, uid: str) -> str | None:
    """The folder of that project if there is one. The uid finds it: a project may be renamed."""
    try:
        names = sorted(name for name in os.listdir(root) if name.endswith(f"-{uid}"))
    except OSError:
        return None
    return os.path.join(root, names[0]) if names else None


def project_folder(root: str, name: str, uid: str) -> str:
    """The folder of that project, made when missing, and private.

    Raises CaveError where it cannot be.
    """
    folder = existing_folder(root, uid) or os.path.join(root, f"{name}-{uid}")
    try:
        make_private(root)
        make_private(folder)
    except OSError as exc:
        raise CaveError(
            f"cannot keep the project's history in {folder}: {exc.strerror}",
            "make it writable, or set XDG_STATE_HOME to a folder that is",
        ) from exc
    return folder


def _absolute(environ: Mapping[str, str], name: str) -> str | None:
    """A relative path there is to be ignored (XDG Base Directory specification)."""
    path = environ.get(name, "")
    return path if os.path.isabs(path) else None


def _home(environ: Mapping[str, str]) -> str:
    return environ.get("HOME") or os.path.expanduser("~")
