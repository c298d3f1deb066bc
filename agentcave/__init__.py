"""Many AI coding agents at once, each in its own cave: declared in caves.yaml, kept on tmux.

The public names are imported when they are first used: the command line starts without them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentcave.errors import CaveError
    from agentcave.model.spec import StopKey, StopSpec
    from agentcave.model.status import Activity, Phase
    from agentcave.sessions import (
        Session,
        SessionGone,
        SessionManager,
        SessionOptions,
        SessionStatus,
        TmuxSessionManager,
    )

_HOMES = {
    "CaveError": "agentcave.errors",
    "StopKey": "agentcave.model.spec",
    "StopSpec": "agentcave.model.spec",
    "Activity": "agentcave.model.status",
    "Phase": "agentcave.model.status",
}

__all__ = [
    "Activity",
    "CaveError",
    "Phase",
    "Session",
    "SessionGone",
    "SessionManager",
    "SessionOptions",
    "SessionStatus",
    "StopKey",
    "StopSpec",
    "TmuxSessionManager",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES.get(name, "agentcave.sessions")), name)
