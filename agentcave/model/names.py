"""Names of projects, caves and agents: legal as they are written, or refused."""

import re

SETUP = "setup-"
"""What the folder begins with by which a setup is known; no id of a session does."""
SESSION_ID = re.compile("[0-9a-f]{16}")
NAME = re.compile(r"[a-z0-9](?:[a-z0-9_-]{0,38}[a-z0-9])?")


def is_legal(name: str) -> bool:
    return NAME.fullmatch(name) is not None


def suggest(name: str) -> str:
    """The nearest legal name, for a hint; names are never changed silently."""
    tidy = re.sub(r"[^a-z0-9_-]+", "-", name.lower()).strip("-_")
    return tidy[:40].strip("-_") or "project"


def session_name(project: str, cave: str, agent: str) -> str:
    """What people see in tmux. Nothing is ever looked up by it; a controller has no cave."""
    return "/".join(filter(None, (project, cave, agent)))
