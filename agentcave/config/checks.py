"""Cross-checks of the merged caves that need neither values nor the file system."""

from collections.abc import Iterator, Mapping
from typing import Any

from . import values
from .anchor import absolute, is_open
from .assemble import Assembly
from .layers import Files
from .merge import fold
from .placement import Placed, conflicts, place_problem, written_branch, written_path
from .problems import Flaw, Path, nearest
from .schema import agent_types, provided_types, unknown_word
from .suspicious import ADVICE, looks_like_a_key

Cave = Mapping[str, Any]

_NOT_FOR_DIRECTORIES = ("base", "branch", "copy", "link", "disposable", "on_remove")


def keys_in_the_open(value: Any, path: Path = ()) -> Iterator[Flaw]:
    """Strings that look like keys, anywhere in a file."""
    if isinstance(value, str):
        if looks_like_a_key(value):
            yield Flaw(path, "this looks like a key", ADVICE)
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from keys_in_the_open(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from keys_in_the_open(item, (*path, index))


def references(files: Files, assembly: Assembly) -> Iterator[Flaw]:
    """Templates and caves that are named and do not exist; dependencies in a circle."""
    templates = files.section("templates")
    caves = files.section("caves")
    for key in caves:
        for index, name in enumerate(files.extends(key)):
            if name not in templates:
                hint = nearest(name, templates) or "it must stand under templates"
                yield Flaw(("caves", key, "extends", index), f"no template {name}", hint)
    graph = _graph(assembly)
    for name, needed in graph.items():
        for other in needed:
            if other not in graph and other not in assembly.caves:
                near = nearest(other, [*graph, *assembly.caves])
                yield Flaw(("caves", name, "depends_on", other), f"no cave {other}", near, True)
    yield from _cycles(graph, assembly)


def _graph(assembly: Assembly) -> dict[str, list[str]]:
    """Dependencies between the keys of the file: a cave of replicas stands under its key."""
    graph: dict[str, list[str]] = {}
    for name, cave in assembly.caves.items():
        key = assembly.origins.get(name, name)
        if key not in graph:
            graph[key] = list(cave.get("depends_on", ()))
    return graph


def _cycles(graph: dict[str, list[str]], assembly: Assembly) -> Iterator[Flaw]:
    done: set[str] = set()
    for start in graph:
        trail: list[str] = []
        pending = [iter([start])]
        while pending:
            name = next(pending[-1], None)
            if name is None:
                pending.pop()
                if trail:
                    done.add(trail.pop())
                continue
            name = assembly.origins.get(name, name)
            if name in trail:
                circle = " -> ".join([*trail[trail.index(name) :], name])
                flaw_path = ("caves", trail[-1], "depends_on", name)
                yield Flaw(flaw_path, f"dependencies in a circle: {circle}", at_key=True)
            elif name not in done and name in graph:
                trail.append(name)
                pending.append(iter(graph[name]))


def lacks(name: str, cave: Cave) -> Iterator[Flaw]:
    """What a merged cave must have. Only for caves of which nothing was taken out as invalid."""
    path = ("caves", name)
    if not cave.get("agents"):
        yield Flaw((*path, "agents"), "a cave needs at least one agent", at_key=True)
    workspace = cave.get("workspace", {})
    if workspace.get("type") == "directory" and "path" not in workspace:
        hint = "name an existing directory, or use type: worktree"
        yield Flaw((*path, "workspace"), "a directory needs a path", hint, at_key=True)


def agent_lacks(path: Path, name: str, agent: Mapping[str, Any]) -> Iterator[Flaw]:
    known = agent_types()
    if "type" not in agent:
        hint = f"write type: one of {', '.join(known)}"
        yield Flaw(path, f"the type is missing: {name} is not the name of one", hint, at_key=True)
    elif agent["type"] == "command" and "command" not in agent:
        yield Flaw(path, "type command needs a command", "command: [program, argument]", True)


def cave_flaws(name: str, cave: Cave) -> Iterator[Flaw]:
    """What a merged cave must not have."""
    path = ("caves", name)
    workspace = cave.get("workspace", {})
    if workspace.get("type") == "directory":
        for key in _NOT_FOR_DIRECTORIES:
            if key in workspace:
                message = "means nothing for a directory, which is used as it is"
                yield Flaw((*path, "workspace", key), message, "leave it out", at_key=True)
    yield from values.cave_flaws(path, cave, final=False)


def agent_flaws(path: Path, agent: Mapping[str, Any]) -> Iterator[Flaw]:
    kind = agent.get("type")
    known = agent_types()
    if kind is not None and kind not in known and kind not in provided_types():
        yield unknown_word((*path, "type"), kind, list(known))
    if "screen" in agent and kind not in ("command", None):
        yield Flaw((*path, "screen"), "is for type command only", "leave it out", at_key=True)
    yield from _without_effect(path, agent)
    yield from values.agent_flaws(path, agent, final=False)


def _without_effect(path: Path, agent: Mapping[str, Any]) -> Iterator[Flaw]:
    """Keys that a type has no use for."""
    kind = agent.get("type", "")
    useless = {
        "command": ("model", "permission_mode", "prompt", "trust_workspace"),
        "demo": ("model", "permission_mode", "trust_workspace"),
    }
    for key in useless.get(kind, ()):
        if agent.get(key) not in (None, False):
            message = f"type {kind} has no use for it"
            yield Flaw((*path, key), message, "leave it out", at_key=True)


def vain_removals(files: Files) -> Iterator[Flaw]:
    """``claude:`` with nothing behind it removes an agent; where there is none, {} was meant."""
    for key in files.section("caves"):
        layers = files.layers(key)
        for index, layer in enumerate(layers):
            agents = layer.value.get("agents")
            nulls = [n for n, v in agents.items() if v is None] if isinstance(agents, dict) else []
            if not nulls or layer.path[0] != "caves":
                continue
            inherited = fold(lower.value for lower in layers[:index]).get("agents", {})
            for name in nulls:
                if name not in inherited and not name.startswith("x-"):
                    hint = f"write {name}: {{}} for an agent that is all defaults"
                    yield Flaw(("caves", key, "agents", name), "removes nothing", hint, True)


def places(caves: Mapping[str, Cave], directory: str) -> Iterator[Flaw]:
    """Workspaces at wrong places or on top of each other, as far as they are written out."""
    placed: list[Placed] = []
    for name, cave in caves.items():
        workspace = cave.get("workspace", {})
        kind = workspace.get("type", "worktree")
        path, branch = written_path(name, workspace), written_branch(name, workspace)
        if is_open(path) or is_open(branch) or (kind == "directory" and path[0] == "~"):
            continue
        where = absolute(path, directory, "~")
        entry = Placed(name, kind, where, None if kind == "directory" else branch)
        wrong = place_problem(entry, path, directory)
        if wrong is None:
            placed.append(entry)
        else:
            yield Flaw(("caves", name, "workspace", "path"), wrong)
    yield from conflicts(placed)
