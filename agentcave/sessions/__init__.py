"""Where sessions live: the protocols of ADR 3 and the places that keep them."""

from typing import TYPE_CHECKING

from agentcave.sessions.base import (
    Session,
    SessionGone,
    SessionManager,
    SessionOptions,
    SessionStatus,
)

if TYPE_CHECKING:
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
    """The tmux manager on demand: it brings the event loop, which read-only commands never need."""
    if name == "TmuxSessionManager":
        from agentcave.sessions.tmux import TmuxSessionManager

        return TmuxSessionManager
    raise AttributeError(name)
