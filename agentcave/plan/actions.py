"""The things that can be done; each is one call of a room that does I/O."""

from typing import NamedTuple

from agentcave.model.desired import DesiredAgent, DesiredCave
from agentcave.model.observed import ObservedSession, SeedChange, WorkspaceRecord


class CreateWorkspace(NamedTuple):
    cave: DesiredCave
    origin: str | None


class RunSetup(NamedTuple):
    cave: DesiredCave


class SeedContext(NamedTuple):
    cave: DesiredCave
    changes: tuple[SeedChange, ...]


class StartSession(NamedTuple):
    """``dead``: the ended pane of the last incarnation, whose place is taken.

    ``streak``: of an automatic restart, how many came before it without a healthy spell.
    """

    agent: DesiredAgent
    dead: ObservedSession | None
    fresh: bool = False
    streak: int | None = None


class RestartSession(NamedTuple):
    agent: DesiredAgent
    running: ObservedSession
    fresh: bool = False


class StopSession(NamedTuple):
    """``sticky``: it was asked to stay stopped; otherwise it is removed."""

    session: ObservedSession
    sticky: bool = False


class ResizeSession(NamedTuple):
    agent: DesiredAgent
    session: ObservedSession


class RemoveWorkspace(NamedTuple):
    cave: str
    record: WorkspaceRecord


Action = (
    CreateWorkspace
    | RunSetup
    | SeedContext
    | StartSession
    | RestartSession
    | StopSession
    | ResizeSession
    | RemoveWorkspace
)

VERBS: dict[type, str] = {
    CreateWorkspace: "create-workspace",
    RunSetup: "run-setup",
    SeedContext: "seed-context",
    StartSession: "start-session",
    RestartSession: "restart-session",
    StopSession: "stop-session",
    ResizeSession: "resize-session",
    RemoveWorkspace: "remove-workspace",
}
