"""Every known kind of agent by the word that ``type`` uses for it."""

from agentcave.agents import claude, command, demo
from agentcave.agents.base import Adapter
from agentcave.errors import SpecError

ADAPTERS: dict[str, Adapter] = {
    "claude": claude,
    "command": command,
    "demo": demo,
}


def adapter_of(kind: str) -> Adapter:
    """The adapter of an agent type. Raises SpecError for one that this version does not have."""
    try:
        return ADAPTERS[kind]
    except KeyError:
        known = ", ".join(sorted(ADAPTERS))
        raise SpecError([f"agent type {kind} is not supported by this version ({known})"]) from None
