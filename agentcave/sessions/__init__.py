"""Where sessions live: the protocols of ADR 3 and the places that keep them.

Names are imported when they are first used: reading sessions needs no event loop.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agentcave.sessions.base import (
        Session,
        SessionGone,
        SessionManager,
        SessionOptions,
        SessionStatus,
    )
    from agentcave.sessions.tmux import TmuxSessionManager

__all__ = [
    "Session",
    "SessionGone",
    "SessionManager",
    "SessionOptions",
    "SessionStatus",
    "TmuxSessionManager",
]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module = "tmux" if name == "TmuxSessionManager" else "base"
    return getattr(import_module(f"agentcave.sessions.{module}"), name)
