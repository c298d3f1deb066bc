"""What is particular to each kind of agent: pure modules, one file and one registry line each."""

from agentcave.agents.base import (
    Adapter,
    Answer,
    Ask,
    Before,
    Events,
    Evidence,
    Launch,
    Seen,
    Start,
)
from agentcave.agents.registry import TYPES, adapter_of, known_adapter

__all__ = [
    "TYPES",
    "Adapter",
    "Answer",
    "Ask",
    "Before",
    "Events",
    "Evidence",
    "Launch",
    "Seen",
    "Start",
    "adapter_of",
    "known_adapter",
]
