"""Interpolated trees -> the typed values of ``agentcave.model.spec``."""

from collections.abc import Mapping
from typing import Any, cast

from agentcave.model.spec import (
    AgentSpec,
    CaveSpec,
    Dependency,
    ReadySpec,
    RestartSpec,
    ScreenRule,
    Secret,
    Seed,
    StopKey,
    StopSpec,
    WorkspaceSpec,
)

from .anchor import absolute
from .durations import seconds
from .placement import written_branch, written_path
from .problems import Flaw, Path
from .sourcefiles import SourceFiles

Node = Mapping[str, Any]
NOTHING: Node = {}
"""One object, so that caves without variables share their digest as well (plan/desire.py)."""


class Typer:
    """Builds specs. Equal sub-trees are one object, and so become one spec: 1 000 caves that
    share an agent share its ``AgentSpec``. Nodes must outlive the typer: it knows them by id.
    """

    def __init__(self, directory: str, home: str) -> None:
        self.flaws: list[Flaw] = []
        self._directory = directory
        self._home = home
        self._files = SourceFiles(directory, home)
        self._agents: dict[tuple[str, int], AgentSpec] = {}
        self._seeds: dict[int, tuple[Seed, ...]] = {}
        self._secrets: dict[int, tuple[Secret, ...]] = {}

    def cave(self, name: str, group: str, node: Node, path: Path) -> CaveSpec:
        get = node.get
        inherited = get("inherit_environment", "all")
        return CaveSpec(
            name=name,
            group=group,
            workspace=self._workspace(name, get("workspace", {})),
            agents=tuple(
                self._agent(agent, value, (*path, "agents", agent))
                for agent, value in node["agents"].items()
            ),
            description=get("description", ""),
            profiles=tuple(get("profiles", ())),
            depends_on=tuple(_dependency(*item) for item in get("depends_on", {}).items()),
            setup=tuple(map(tuple, get("setup", ()))),
            context=self._context(get("context"), (*path, "context")),
            inherit_environment=None if inherited == "all" else tuple(inherited),
            environment=get("environment", NOTHING),
            secrets=self._references(get("secrets")),
        )

    def _workspace(self, cave: str, node: Node) -> WorkspaceSpec:
        kind = node.get("type", "worktree")
        return WorkspaceSpec(
            type=kind,
            path=absolute(written_path(cave, node), self._directory, self._home),
            branch=None if kind == "directory" else written_branch(cave, node),
            base=node.get("base", "HEAD"),
            copy=tuple(node.get("copy", ())),
            link=tuple(node.get("link", ())),
            disposable=tuple(node.get("disposable", ())),
            on_remove=node.get("on_remove", "keep"),
        )

    def _agent(self, name: str, node: Node, path: Path) -> AgentSpec:
        key = (name, id(node))
        if key not in self._agents:
            self._agents[key] = self._new_agent(name, node, path)
        return self._agents[key]

    def _new_agent(self, name: str, node: Node, path: Path) -> AgentSpec:
        get = node.get
        size = get("size", {})
        return AgentSpec(
            name=name,
            type=node["type"],
            command=tuple(node["command"]) if "command" in node else None,
            args=tuple(get("args", ())),
            working_dir=get("working_dir", "."),
            model=get("model"),
            permission_mode=get("permission_mode"),
            trust_workspace=get("trust_workspace", False),
            prompt=self._prompt(get("prompt"), (*path, "prompt")),
            resume=get("resume", "auto"),
            environment=get("environment", NOTHING),
            secrets=self._references(get("secrets")),
            restart=_restart(get("restart", {})),
            stop=_stop(get("stop", {})),
            ready=_ready(get("ready", {})),
            screen=tuple(ScreenRule(rule["activity"], rule["match"]) for rule in get("screen", ())),
            size=(size.get("columns", 200), size.get("rows", 50)),
        )

    def _prompt(self, node: Any, path: Path) -> str | None:
        if not isinstance(node, dict):
            return cast("str | None", node)
        from .suspicious import ADVICE, looks_like_a_key

        text, problem = self._files.text(node["file"])
        if problem:
            self.flaws.append(Flaw((*path, "file"), problem))
        elif looks_like_a_key(text):
            self.flaws.append(
                Flaw((*path, "file"), "this file holds what looks like a key", ADVICE)
            )
        return text

    def _context(self, node: Node | None, path: Path) -> tuple[Seed, ...]:
        if node is None:
            return ()
        if id(node) not in self._seeds:
            self._seeds[id(node)] = tuple(
                self._seed(name, seed, (*path, name)) for name, seed in node.items()
            )
        return self._seeds[id(node)]

    def _seed(self, name: str, node: Node, path: Path) -> Seed:
        update = node.get("update", "unedited")
        if "file" not in node:
            return Seed(name, text=node["text"], update=update)
        if problem := self._files.seed_problem(node["file"]):
            self.flaws.append(Flaw((*path, "file"), problem))
        file = absolute(node["file"], self._directory, self._home)
        return Seed(name, file=file, update=update)

    def _references(self, node: Node | None) -> tuple[Secret, ...]:
        if node is None:
            return ()
        if id(node) not in self._secrets:
            self._secrets[id(node)] = tuple(self._secret(*item) for item in node.items())
        return self._secrets[id(node)]

    def _secret(self, name: str, node: Node) -> Secret:
        if "env" in node:
            return Secret(name, "env", node["env"])
        if "file" in node:
            return Secret(name, "file", absolute(node["file"], self._directory, self._home))
        return Secret(name, "command", tuple(node["command"]))


def _dependency(cave: str, node: Node) -> Dependency:
    return Dependency(cave, node.get("condition", "started"), node.get("required", True))


def _restart(node: Node) -> RestartSpec:
    given = dict(node)
    for key in ("initial", "max", "reset_after"):
        if key in given:
            given[key] = seconds(given[key])
    for key, kind in (("factor", float), ("max_restarts", int)):
        if key in given:
            given[key] = kind(given[key])
    return RestartSpec(**given)


def _stop(node: Node) -> StopSpec:
    keys = node.get("keys")
    return StopSpec(
        keys=None if keys is None else tuple(map(_stop_key, keys)),
        signal=node.get("signal"),
        grace=seconds(node["grace"]) if "grace" in node else StopSpec().grace,
    )


def _stop_key(node: str | Node) -> StopKey:
    return StopKey(node) if isinstance(node, str) else StopKey(node["text"], literal=True)


def _ready(node: Node) -> ReadySpec:
    timeout = seconds(node["timeout"]) if "timeout" in node else ReadySpec().timeout
    if "status" in node:
        return ReadySpec("status", None, timeout)
    if "output" in node:
        return ReadySpec("output", node["output"], timeout)
    if "delay" in node:
        return ReadySpec("delay", seconds(node["delay"]), timeout)
    if "command" in node:
        return ReadySpec("command", tuple(node["command"]), timeout)
    return ReadySpec(timeout=timeout)
