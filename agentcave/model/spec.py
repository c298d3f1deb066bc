"""What the user wrote, validated, merged and typed. Paths are absolute, durations are seconds."""

from collections.abc import Mapping
from typing import Literal, NamedTuple

WorkspaceType = Literal["worktree", "clone", "directory"]


class WorkspaceSpec(NamedTuple):
    """Where a cave works. ``copy``, ``link`` and ``disposable`` are relative to its root."""

    type: WorkspaceType
    path: str
    branch: str | None = None
    base: str = "HEAD"
    copy: tuple[str, ...] = ()
    link: tuple[str, ...] = ()
    disposable: tuple[str, ...] = ()
    on_remove: Literal["keep", "remove-if-clean"] = "keep"


class Seed(NamedTuple):
    """The source of one file of the Working Context: ``text``, or ``file`` (absolute)."""

    name: str
    text: str | None = None
    file: str | None = None
    update: Literal["unedited", "never"] = "unedited"


class Secret(NamedTuple):
    """A reference, never a value: a variable's name, a file's path (absolute) or an argv."""

    name: str
    kind: Literal["env", "file", "command"]
    source: str | tuple[str, ...]


class RestartSpec(NamedTuple):
    policy: Literal["never", "on-failure", "always"] = "on-failure"
    initial: float = 10.0
    factor: float = 2.0
    max: float = 300.0
    reset_after: float = 600.0
    max_restarts: int = 5


class StopKey(NamedTuple):
    """One polite key: a tmux key name, or literal text."""

    value: str
    literal: bool = False


class StopSpec(NamedTuple):
    """``keys`` and ``signal`` are None when the file leaves them to the agent's adapter."""

    keys: tuple[StopKey, ...] | None = None
    signal: str | None = None
    grace: float = 15.0


class ReadySpec(NamedTuple):
    """How readiness is known; ``default`` leaves it to what the agent's type can report."""

    kind: Literal["default", "status", "output", "delay", "command"] = "default"
    value: str | float | tuple[str, ...] | None = None
    timeout: float = 60.0


class ScreenRule(NamedTuple):
    """What a screen means on which the regular expression ``match`` is found.

    ``startup``: it asks before the first prompt, and only a person may answer. ``reason`` says
    what it means; a group of the expression adds what is asked.
    """

    activity: str
    match: str
    reason: str = ""
    startup: bool = False


class Dependency(NamedTuple):
    """``cave`` as written: with replicas it stands for all of them."""

    cave: str
    condition: Literal["started", "ready", "completed"] = "started"
    required: bool = True


class AgentSpec(NamedTuple):
    """One declared agent. ``environment`` is the agent's own; None removes a variable."""

    name: str
    type: str
    command: tuple[str, ...] | None = None
    args: tuple[str, ...] = ()
    working_dir: str = "."
    model: str | None = None
    permission_mode: str | None = None
    trust_workspace: bool = False
    prompt: str | None = None
    resume: Literal["auto", "never"] = "auto"
    environment: Mapping[str, str | None] = {}
    secrets: tuple[Secret, ...] = ()
    restart: RestartSpec = RestartSpec()
    stop: StopSpec = StopSpec()
    ready: ReadySpec = ReadySpec()
    screen: tuple[ScreenRule, ...] = ()
    size: tuple[int, int] = (200, 50)


class CaveSpec(NamedTuple):
    """One cave. ``group`` is the key in the file: it differs from ``name`` for replicas only.

    ``inherit_environment`` is None for all, else the names that pass.
    """

    name: str
    group: str
    workspace: WorkspaceSpec
    agents: tuple[AgentSpec, ...]
    description: str = ""
    profiles: tuple[str, ...] = ()
    depends_on: tuple[Dependency, ...] = ()
    setup: tuple[tuple[str, ...], ...] = ()
    context: tuple[Seed, ...] = ()
    inherit_environment: tuple[str, ...] | None = None
    environment: Mapping[str, str | None] = {}
    secrets: tuple[Secret, ...] = ()


def secrets_of(cave: CaveSpec) -> tuple[Secret, ...]:
    """Those of a cave and of all its agents."""
    return (*cave.secrets, *(one for agent in cave.agents for one in agent.secrets))


class ProjectSpec(NamedTuple):
    """One caves file, resolved for the selected caves.

    ``file`` is the real path of the first caves file, ``directory`` its folder, ``uid`` the hash
    of that path. ``caves`` holds the selected ones in file order; ``declared`` maps *every* cave
    name of the file (replicas spelled out) to the names of its agents, so that a cave which is
    not selected is never taken for an orphan. ``env`` holds the values of the env_files.
    """

    name: str
    uid: str
    file: str
    directory: str
    caves: tuple[CaveSpec, ...]
    declared: Mapping[str, tuple[str, ...]]
    env: Mapping[str, str] = {}
    warnings: tuple[str, ...] = ()
