"""Every known kind of agent by the word that ``type`` uses for it; loaded when it is met."""

from functools import cache
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING, cast

from agentcave.agents.base import Adapter
from agentcave.errors import SpecError

TYPES = ("aider", "claude", "codex", "command", "demo", "gemini", "opencode")
"""Each is a module of this room."""
GROUP = "agentcave.agents"
"""The entry points by which other packages add adapters: ``type = "module"``."""

if TYPE_CHECKING:  # each keeps the promise of an adapter
    from agentcave.agents import aider, claude, codex, command, demo, gemini, opencode

    KEPT: tuple[Adapter, ...] = (aider, claude, codex, command, demo, gemini, opencode)


def adapter_of(kind: str) -> Adapter:
    """The adapter of an agent type. Raises SpecError for one that nothing here provides."""
    found = _adapter(kind)
    if found is None:
        raise SpecError([f"agent type {kind} is not known here ({', '.join(TYPES)})"])
    return found


def known_adapter(kind: str) -> Adapter:
    """The same for what lives: of a type that is not known here only the process is."""
    try:
        return adapter_of(kind)
    except SpecError:
        return adapter_of("command")


@cache
def _adapter(kind: str) -> Adapter | None:
    if kind in TYPES:
        return cast(Adapter, import_module(f"agentcave.agents.{kind}"))
    return _provided(kind)


def _provided(kind: str) -> Adapter | None:
    """An adapter that another package provides. Raises SpecError when it cannot be loaded."""
    from importlib.metadata import entry_points  # costs more than all adapters of ours

    for entry in entry_points(group=GROUP, name=kind):
        try:
            adapter: Adapter = entry.load()
        except Exception as exc:  # whatever somebody else's module raises
            raise SpecError([f"agent type {kind} of {entry.value}: {exc}"]) from exc
        if lacks := [name for name in _MEMBERS if not hasattr(adapter, name)]:
            what = f"agent type {kind} of {entry.value} lacks {', '.join(lacks)}"
            raise SpecError([f"{what}: it was made for another version of agentcave"])
        return adapter
    return None


_MEMBERS = (
    *Adapter.__annotations__,
    *(
        name
        for name, member in vars(Adapter).items()
        if isinstance(member, FunctionType) and name[0] != "_"
    ),
)
