"""Parsed files -> the merged caves, replicas spelled out."""

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from agentcave.model import names

from .anchor import anchor
from .layers import Files
from .merge import fold, intern
from .problems import Flaw
from .schema import agent_types

MOST_CAVES = 10_000
TOO_MANY = f"more than {MOST_CAVES} caves in all, replicas counted"


class Assembly(NamedTuple):
    """``origins`` maps caves of replicas to their key in the file; ``flaws`` are of expansion."""

    caves: dict[str, dict[str, Any]]
    groups: dict[str, tuple[str, ...]]
    origins: dict[str, str]
    flaws: list[Flaw]


def assemble(files: Files, directory: str) -> Assembly:
    """Merge every cave of the files. Paths written elsewhere than in ``directory`` are anchored."""
    result = Assembly({}, {}, {}, [])
    known: dict[Any, Any] = {}
    for key, value in files.section("caves").items():
        if value is None:
            hint = "write {} for a cave that is all defaults"
            result.flaws.append(Flaw(("caves", key), "this cave is empty", hint, at_key=True))
            continue
        _spell_out(key, intern(_merged(files, key, directory), known), result)
    result.caves.update((name, intern(cave, known)) for name, cave in result.caves.items())
    return result


def _merged(files: Files, key: str, directory: str) -> dict[str, Any]:
    layers = (
        layer.value if here == directory else anchor(layer.value, here)
        for layer in files.layers(key)
        for here in (os.path.dirname(files.names[layer.file]),)
    )
    cave = fold(layers)
    cave.pop("extends", None)
    types = set(agent_types())
    for name, agent in (cave.get("agents") or {}).items():
        if name in types:
            agent.setdefault("type", name)
    return cave


def _spell_out(key: str, cave: Mapping[str, Any], result: Assembly) -> None:
    count = cave.get("replicas")
    if len(result.caves) + (count or 1) > MOST_CAVES:
        if not any(flaw.message == TOO_MANY for flaw in result.flaws):
            result.flaws.append(Flaw(("caves", key), TOO_MANY, at_key=True))
        return
    if count is None:
        _put(key, key, dict(cave), result)
        return
    members = tuple(f"{key}-{number}" for number in range(1, count + 1))
    result.groups[key] = members
    for number, name in enumerate(members, 1):
        _put(name, key, _numbered(cave, number), result)


def _numbered(cave: Mapping[str, Any], number: int) -> dict[str, Any]:
    copy = {field: value for field, value in cave.items() if field != "replicas"}
    if workspace := copy.get("workspace"):
        explicit = {key: workspace[key] for key in ("branch", "path") if key in workspace}
        suffixed = {key: f"{text.rstrip('/')}-{number}" for key, text in explicit.items()}
        copy["workspace"] = {**workspace, **suffixed}
    return copy


def _put(name: str, key: str, cave: dict[str, Any], result: Assembly) -> None:
    path = ("caves", key)
    if name in result.caves:
        other = result.origins.get(name, name)
        message = f"{key} and {other} both make a cave named {name}"
        result.flaws.append(Flaw(path, message, "rename one", at_key=True))
        return
    if not names.is_legal(name):
        message = f"{name} is not a legal name of a cave"
        result.flaws.append(Flaw(path, message, "at most 40 characters with the number", True))
    result.caves[name] = cave
    if name != key:
        result.origins[name] = key
