"""What a pass wants the world to be: fully resolved, nothing left to look up."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from agentcave.model.observed import Key
from agentcave.model.spec import AgentSpec, CaveSpec

Wanted = Literal["running", "stopped", "absent"]


class DesiredAgent(NamedTuple):
    """``digest`` fingerprints all whose change needs a new process; None when no key is known."""

    cave: str
    spec: AgentSpec
    digest: str | None
    wanted: Wanted

    @property
    def key(self) -> Key:
        return self.cave, self.spec.name


class DesiredCave(NamedTuple):
    """``waits`` names caves (replicas spelled out) with the condition each must reach first."""

    spec: CaveSpec
    agents: tuple[DesiredAgent, ...]
    waits: tuple[tuple[str, str], ...] = ()


class Desired(NamedTuple):
    """``declared``: every cave of the file and its agents; what is in none of it is an orphan.

    ``caves`` holds the ones this pass is about, in file order.
    """

    project: str
    uid: str
    file: str
    directory: str
    caves: Mapping[str, DesiredCave]
    declared: Mapping[str, tuple[str, ...]]
    env: Mapping[str, str] = {}


class Request(NamedTuple):
    """What a command asks of one pass beyond the file.

    ``only``: the agents it is limited to, None for all. ``revive``: agents that start again even
    when completed. ``restart``: agents that get a new process whatever their digest. ``drifted``:
    restart what runs and is not as declared any more.
    ``orphans``: remove sessions that left the file. ``cause``: why things end, for the plan.
    ``now``: the clock of a controller, in seconds since the epoch: what has ended comes back as its
    restart policy says, and nothing waits within the pass. None: a person asks, once. ``anew``: a
    controller begins, and what has failed starts again as if a person had asked.
    """

    only: frozenset[Key] | None = None
    revive: frozenset[Key] = frozenset()
    restart: frozenset[Key] = frozenset()
    drifted: bool = True
    fresh: bool = False
    setup: bool = False
    force: bool = False
    orphans: bool = False
    remove_workspaces: bool = False
    cause: str = "down"
    now: float | None = None
    anew: bool = False
