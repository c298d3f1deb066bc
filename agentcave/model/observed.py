"""A snapshot of the world, never edited. Unknown is not empty: see ``Observed.unreachable``."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from agentcave.model.status import Judgement

Key = tuple[str, str]
"""Cave and agent."""

Intent = Literal["running", "stopped", "down"]


class Stamp(NamedTuple):
    """Who a pane is, carried in its start command since birth (facts: one word costs O(1)).

    ``session`` is fresh for every start: the id of this very incarnation. ``digest`` is keyed:
    ``<key id>:<hmac>``. ``started`` is seconds since the epoch.
    """

    uid: str
    project: str
    file: str
    cave: str
    agent: str
    type: str
    workspace: str
    digest: str
    session: str
    started: int

    @property
    def key(self) -> Key:
        return self.cave, self.agent


class ObservedSession(NamedTuple):
    """One stamped pane. ``exit_status`` and ``signal`` are None while it lives.

    ``pid`` is None when tmux does not tell it (3.8: of a dead pane). ``unread`` says what tmux
    told of the pane that was not understood: then nothing is known but that it is there.
    ``name`` is that of its tmux session, or of another one that shows it too when its own is gone;
    ``attached``: whether anybody looks at it, in whichever of them.
    ``in_mode``: somebody scrolls in it, so it takes no keys. ``title`` is what the agent set.
    ``uprooted``: the workspace that it began in has been deleted; another may stand in its place.
    """

    stamp: Stamp
    pane: str
    name: str
    pid: int | None
    dead: bool = False
    exit_status: int | None = None
    signal: int | None = None
    attached: bool = False
    in_mode: bool = False
    title: str = ""
    uprooted: bool = False
    unread: str = ""

    @property
    def is_controller(self) -> bool:
        """Whether a controller runs in it: that belongs to no cave."""
        return not self.stamp.cave


class WorkspaceRecord(NamedTuple):
    """What history knows of a workspace that we made.

    ``ready`` is False from before the first change on disk until the last one is done.
    ``setup`` is the fingerprint of the setup that ran in it, None for none. ``placed`` maps
    relative paths of ``copy`` and ``link`` entries to the sha256 of what was put there
    (``link:<target>`` for a link). ``disposable`` and ``on_remove`` are as last declared: they
    outlive the cave's place in the file. ``base`` is the id of the commit it was made from.
    """

    type: str
    path: str
    branch: str | None
    ready: bool
    setup: str | None = None
    placed: Mapping[str, str] = {}
    disposable: tuple[str, ...] = ()
    on_remove: Literal["keep", "remove-if-clean"] = "keep"
    base: str | None = None


class ObservedWorkspace(NamedTuple):
    """``problem`` says why it can be neither used nor made; ``origin`` what it would be made from.

    ``half_made``: we began it, did not finish, and nothing in it is anybody's work. ``kept``: refs
    that making it anew would leave for commits that only the deleted one before it has.
    """

    path: str
    exists: bool
    record: WorkspaceRecord | None = None
    half_made: bool = False
    origin: str | None = None
    problem: str | None = None
    kept: tuple[str, ...] = ()


class SeedRecord(NamedTuple):
    """What was last seeded: ``digest`` of the content; stat fingerprints of source and target."""

    digest: str
    source: str
    target: str


class SeedChange(NamedTuple):
    """A context file that is not as seeded. ``keep``: the agent edited it, so it stays."""

    name: str
    action: Literal["create", "update", "keep"]
    cause: str


class ObservedContext(NamedTuple):
    """``problem`` says why the Working Context cannot be seeded (a source is missing, …)."""

    changes: tuple[SeedChange, ...] = ()
    problem: str | None = None


class History(NamedTuple):
    """What the state remembers of one agent.

    ``fields`` packs the keyed fingerprint of each declared field at its last start (plan/digest.py
    reads it, to name what changed). ``prompted``: the file's prompt went into ``conversation``.
    ``ended``: how the incarnation ``session`` ended, for when its pane is gone. ``resumed``: its
    start went on with an earlier conversation. ``intent`` "down": a controller leaves it alone,
    until the next `up`. ``restarts`` counts automatic restarts, ``streak`` those in a row without
    a healthy spell. ``ended_at``: when it was seen to have ended, or to be gone, in seconds since
    the epoch.
    """

    intent: Intent = "running"
    session: str | None = None
    digest: str | None = None
    fields: str = ""
    size: str | None = None
    conversation: str | None = None
    prompted: bool = False
    restarts: int = 0
    started: int | None = None
    ended: Literal["completed", "failed", "stopped"] | None = None
    exit_status: int | None = None
    signal: int | None = None
    resumed: bool = False
    streak: int = 0
    ended_at: float | None = None


class Observed(NamedTuple):
    """Everything one pass looked at. ``unreachable`` says why tmux could not be read, else None.

    ``sessions`` holds what carries the stamp of this project: per key, the newest last.
    ``others`` holds stamped sessions of other projects on the same server. ``obstacles``: why a
    workspace that is to go may hold something to lose. ``judged``: what the agents of live sessions
    do, by the session's id. ``unresumable``: why a conversation of the history cannot go on.
    ``ready``: agents that others wait for and that are ready. ``missing``: the program without
    which an agent cannot start, and how to get it. ``controllers``: panes in which a
    controller of this project runs, or ran.
    """

    unreachable: str | None = None
    sessions: Mapping[Key, tuple[ObservedSession, ...]] = {}
    others: tuple[ObservedSession, ...] = ()
    workspaces: Mapping[str, ObservedWorkspace] = {}
    contexts: Mapping[str, ObservedContext] = {}
    history: Mapping[Key, History] = {}
    obstacles: Mapping[str, tuple[str, ...]] = {}
    judged: Mapping[str, Judgement] = {}
    unresumable: Mapping[Key, str] = {}
    ready: frozenset[Key] = frozenset()
    missing: Mapping[Key, str] = {}
    controllers: tuple[ObservedSession, ...] = ()

    @property
    def stamped(self) -> tuple[ObservedSession, ...]:
        """Every session of agentcave that was seen, whoever's."""
        ours = (one for many in self.sessions.values() for one in many)
        return (*ours, *self.controllers, *self.others)
