"""What agents of different kinds tell alike by their hooks. Pure; nothing of it is trusted."""

import re

from agentcave.agents.base import Events
from agentcave.agents.reading import fields, normal, word

UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


BEGINNINGS = ("SessionStart", "UserPromptSubmit", "BeforeAgent")
"""Of a conversation, or of a turn in it. Subagents fire none of them."""


def conversation(events: Events) -> str | None:
    """The one named last: a person may have led into another one, by ``/new`` or ``/resume``."""
    seen = [events[name] for name in BEGINNINGS if name in events]
    newest = max(seen, key=lambda one: one.at, default=None)
    said = word(fields(newest.data), "session_id") if newest is not None else ""
    return said if UUID.fullmatch(said) else None


def taken(events: Events, name: str, since: float) -> str | None:
    """The prompt that such an event tells of, at ``since`` or later; ``normal`` text."""
    seen = events.get(name)
    if seen is None or seen.at < since:
        return None
    return normal(word(fields(seen.data), "prompt"))
