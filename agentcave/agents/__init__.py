"""What is particular to each kind of agent: pure modules, one file and one registry line each."""

from agentcave.agents.base import Adapter, Start
from agentcave.agents.registry import ADAPTERS, adapter_of

__all__ = ["ADAPTERS", "Adapter", "Start", "adapter_of"]
