"""Which agents are driven, and where they are: what scripts/agents printed."""

import os
from collections.abc import Mapping
from pathlib import Path

ALL = ("claude", "codex", "gemini", "opencode", "aider")
DEFAULT = ("claude", "codex", "gemini")
VARIABLE = "AGENTCAVE_PROGRAMS"
"""Lines of ``name path``, as scripts/test and scripts/test-agents set it."""


def given() -> Mapping[str, str]:
    lines = os.environ.get(VARIABLE, "").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def driven() -> tuple[str, ...]:
    """What was installed for this run; the default set always belongs to it."""
    return tuple(name for name in ALL if name in given() or name in DEFAULT)


def program(name: str) -> str:
    """Where an agent is. Fails with what to type when nobody has said so."""
    found = given().get(name)
    assert found, f"{name} was not installed for this run; type:\n  {hint('scripts/test')}"
    assert Path(found).exists(), f"{found} is gone; type:\n  scripts/agents {name}"
    return found


def hint(script: str) -> str:
    return f'{script} tests/agents    (or: export {VARIABLE}="$(scripts/agents)")'


def agent_of(path: Path) -> str | None:
    """The agent that a file of tests is about: the first word behind ``test_``."""
    name = path.stem.split("_")[1] if path.stem.startswith("test_") else ""
    return name if name in ALL else None
