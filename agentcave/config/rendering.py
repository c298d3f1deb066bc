"""A project as plain data, in the shape of a caves file: for ``agentcave config``."""

import os
from collections.abc import Mapping
from typing import Any

from agentcave.model.spec import AgentSpec, CaveSpec, ProjectSpec, ReadySpec, Secret

from .anchor import base_of, written
from .document import Document
from .files import place


def render(project: Document | ProjectSpec) -> dict[str, Any]:
    """Merged and with ``${…}`` as written for a ``Document``; filled in, with every default,
    for a ``ProjectSpec``. Secrets stay references, values of env_files are not shown.
    """
    head = {"version": 1, "name": project.name}
    if isinstance(project, ProjectSpec):
        return {**head, "caves": {cave.name: _cave(cave) for cave in project.caves}}
    env_files = [
        {"path": os.path.relpath(path, project.directory) if path[0] == "/" else path,
         "required": required}
        for path, required in project.env_files
    ]  # fmt: skip
    caves = {name: _written(cave, project.directory) for name, cave in project.caves.items()}
    return {**head, **({"env_file": env_files} if env_files else {}), "caves": caves}


def _written(node: Any, directory: str) -> Any:
    """A copy in which paths of other directories are spelled out."""
    if isinstance(node, str) and written(node) != node:
        path = written(node)
        return path if path.startswith(("~", "${")) else place(path, base_of(node, directory), "~")
    if isinstance(node, Mapping):
        return {key: _written(value, directory) for key, value in node.items()}
    return [_written(item, directory) for item in node] if isinstance(node, list) else node


def _cave(cave: CaveSpec) -> dict[str, Any]:
    workspace = {k: _plain(v) for k, v in cave.workspace._asdict().items()}
    if cave.workspace.type == "directory":
        workspace = {key: workspace[key] for key in ("type", "path")}
    inherited = cave.inherit_environment
    return {
        "description": cave.description,
        "profiles": list(cave.profiles),
        "depends_on": {
            d.cave: {"condition": d.condition, "required": d.required} for d in cave.depends_on
        },
        "workspace": workspace,
        "setup": _plain(cave.setup),
        "context": {
            seed.name: {("text" if seed.file is None else "file"): seed.text or seed.file or "",
                        "update": seed.update}
            for seed in cave.context
        },
        "inherit_environment": "all" if inherited is None else list(inherited),
        "environment": dict(cave.environment),
        "secrets": _secrets(cave.secrets),
        "agents": {agent.name: _agent(agent) for agent in cave.agents},
    }  # fmt: skip


def _agent(agent: AgentSpec) -> dict[str, Any]:
    stop = agent.stop
    keys = None if stop.keys is None else [
        {"text": key.value} if key.literal else key.value for key in stop.keys
    ]  # fmt: skip
    restart = agent.restart._asdict()
    restart |= {key: _duration(restart[key]) for key in ("initial", "max", "reset_after")}
    return {
        **{key: _plain(value) for key, value in agent._asdict().items() if key != "name"},
        "environment": dict(agent.environment),
        "secrets": _secrets(agent.secrets),
        "restart": restart,
        "stop": {"keys": keys, "signal": stop.signal, "grace": _duration(stop.grace)},
        "ready": _ready(agent.ready),
        "screen": [rule._asdict() for rule in agent.screen],
        "size": {"columns": agent.size[0], "rows": agent.size[1]},
    }


def _ready(ready: ReadySpec) -> dict[str, Any]:
    timeout = {"timeout": _duration(ready.timeout)}
    match ready.kind:
        case "default":
            return timeout
        case "status":
            return {"status": True, **timeout}
        case "delay" if isinstance(ready.value, float):
            return {"delay": _duration(ready.value), **timeout}
        case kind:
            return {kind: _plain(ready.value), **timeout}


def _secrets(secrets: tuple[Secret, ...]) -> dict[str, Any]:
    return {secret.name: {secret.kind: _plain(secret.source)} for secret in secrets}


def _plain(value: Any) -> Any:
    return [_plain(item) for item in value] if isinstance(value, tuple) else value


def _duration(length: float) -> str:
    return f"{length:g}s" if length >= 1 or length == 0 else f"{length * 1000:g}ms"
