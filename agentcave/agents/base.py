"""The promise of an agent adapter. Adapters are modules; they look at values and return values."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from agentcave.model.spec import AgentSpec, StopKey


class Start(NamedTuple):
    """All that an adapter may know of one start.

    ``workdir`` is the real path the agent starts in. ``conversation`` is an id made by us, None
    for agents that have none; with ``resume`` it has a transcript. ``prompt`` is None when it has
    been sent before. ``environment`` is the whole environment of the process.
    """

    spec: AgentSpec
    workdir: str
    environment: Mapping[str, str]
    conversation: str | None = None
    resume: bool = False
    prompt: str | None = None


class Adapter(Protocol):
    """``PROGRAM`` is the argv that ``command`` replaces; ``INSTALL`` says how to get it.

    ``CONVERSES``: has conversations with an id. ``STOP_KEYS`` and ``STOP_SIGNAL`` end it politely
    when the file does not say how.
    """

    PROGRAM: tuple[str, ...]
    INSTALL: str
    CONVERSES: bool
    STOP_KEYS: tuple[StopKey, ...]
    STOP_SIGNAL: str

    def launch(self, start: Start) -> tuple[str, ...]:
        """The argv of the process."""
        ...

    def transcript(self, start: Start) -> str | None:
        """The file whose existence means that ``start.conversation`` can be resumed."""
        ...
