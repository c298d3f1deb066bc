"""Carrying a plan out. Nothing is decided here: a step is done, fails, or is skipped."""

from agentcave.apply.events import Event, Result
from agentcave.apply.executor import Executor
from agentcave.apply.launches import Launches
from agentcave.apply.perform import Hands
from agentcave.apply.secrets import Secrets
from agentcave.apply.tools import Tools

__all__ = ["Event", "Executor", "Hands", "Launches", "Result", "Secrets", "Tools"]
