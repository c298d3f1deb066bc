"""Sources -> a checked document, or every problem they have. The slow path: results are cached."""

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agentcave.model import names
from agentcave.model.hashing import sha256_hex

from . import checks, schema
from .anchor import absolute, is_open
from .assemble import Assembly, assemble
from .document import Document
from .files import Source
from .layers import Files
from .merge import sure
from .problems import Flaw, Path, Problem, spec_error
from .reader import parse

Caves = Mapping[str, Mapping[str, Any]]

_HOME = "~"  # as written: what lies at home is resolved when the home is known


def build(sources: Sequence[Source], cache: str | None = None) -> Document:
    """Parse, validate, merge and check. Raises ``SpecError`` with all problems."""
    trees = [parse(source.data, source.path, order) for order, source in enumerate(sources)]
    files = Files([source.path for source in sources], trees)
    problems = [problem for tree in trees for problem in tree.problems]
    if any(tree.value is None for tree in trees):
        raise spec_error(problems)
    tainted, invalid = _validate(files, cache)
    problems += invalid
    if not all(isinstance(tree.value, dict) for tree in trees):
        raise spec_error(problems)
    directory = sources[0].directory
    assembly = assemble(files, directory)
    for flaw in _cross_checks(files, assembly, directory, tainted):
        problems.append(files.locate(flaw, assembly.origins))
    if problems:
        raise spec_error(problems)
    return _document(sources[0].path, files, assembly)


def _validate(files: Files, cache: str | None) -> tuple[set[str], list[Problem]]:
    """Problems of the schema; what is invalid is taken out, so that the rest can be checked.

    Also the keys of the caves that cannot be judged any more.
    """
    tainted: set[str] = set()
    problems: list[Problem] = []
    for position, tree in enumerate(files.trees):
        flaws = [*schema.flaws(tree.value, cache), *checks.keys_in_the_open(tree.value)]
        problems += [files.in_file(flaw, position) for flaw in flaws]
        tainted |= _tainted(files, [flaw.path for flaw in flaws])
        for flaw in flaws:
            _take_out(tree.value, flaw.path)
    return tainted, problems


def _tainted(files: Files, paths: list[Path]) -> set[str]:
    caves: set[str] = set()
    for path in paths:
        section, entry = (*path, "", "")[:2]
        if section == "caves" and entry:
            caves.add(str(entry))
        elif section == "templates" and entry:
            caves |= {key for key in files.section("caves") if entry in _extends(files, key)}
        elif section in ("defaults", "caves", "templates", ""):
            caves |= set(files.section("caves"))
    return caves


def _extends(files: Files, key: str) -> list[str]:
    try:
        return files.extends(key)
    except TypeError:  # the list itself is what is invalid
        return []


def _take_out(node: Any, path: Path) -> None:
    for step in path[:-1]:
        try:
            node = node[step]
        except (KeyError, IndexError, TypeError):
            return  # taken out already with what it stood in
    if path and isinstance(node, dict):
        node.pop(path[-1], None)
    elif path and isinstance(node, list) and isinstance(path[-1], int):
        node[path[-1] :] = []


def _cross_checks(
    files: Files, assembly: Assembly, directory: str, tainted: set[str]
) -> Iterator[Flaw]:
    sound = {n: c for n, c in assembly.caves.items() if assembly.origins.get(n, n) not in tainted}
    yield from _project_name(files, directory)
    if not files.section("caves") and not tainted:
        yield Flaw(("caves",), "there are no caves", "write at least one", at_key=True)
    yield from assembly.flaws
    yield from checks.references(files, assembly)
    yield from checks.vain_removals(files)
    yield from _each(assembly.caves, sound)
    yield from checks.places(sound, directory)


def _each(caves: Caves, sound: Caves) -> Iterator[Flaw]:
    """Flaws of single caves and agents; an agent that many caves share is looked at once."""
    seen: set[tuple[str, int, bool]] = set()
    for name, cave in caves.items():
        yield from checks.cave_flaws(name, cave)
        if name in sound:
            yield from checks.lacks(name, cave)
        for agent, node in cave.get("agents", {}).items():
            key = (agent, id(node), name in sound)
            if key in seen:
                continue
            seen.add(key)
            path = ("caves", name, "agents", agent)
            yield from checks.agent_flaws(path, node)
            if name in sound:
                yield from checks.agent_lacks(path, agent, node)


def _project_name(files: Files, directory: str) -> Iterator[Flaw]:
    default = os.path.basename(directory)
    if files.trees[0].value.get("name") is None and not names.is_legal(default):
        message = f"the directory's name {default} is not a legal name of a project"
        yield Flaw(("name",), message, f"write name: {names.suggest(default)}")


def _document(file: str, files: Files, assembly: Assembly) -> Document:
    directory = os.path.dirname(file)
    caves = assembly.caves
    known: dict[Any, Any] = {}
    env_files = _env_files(files)
    return Document(
        name=files.trees[0].value.get("name") or os.path.basename(directory),
        uid=sha256_hex(os.fsencode(file))[:16],
        file=file,
        directory=directory,
        caves=caves,
        groups=assembly.groups,
        declared={
            name: known.setdefault(agents, agents)
            for name, cave in caves.items()
            for agents in (tuple(sure(agent, known) for agent in cave["agents"]),)
        },
        env_files=env_files,
        dollars=_with_dollars(caves),
        inputs=_inputs(files, env_files, caves, directory),
        warnings=tuple(_warnings(caves, assembly.origins)),
    )


def _env_files(files: Files) -> tuple[tuple[str, bool], ...]:
    entries, position = files.top("env_file")
    directory = os.path.dirname(files.names[position])
    return tuple(
        (entry["path"] if entry["path"][0] in "~/" else os.path.join(directory, entry["path"]),
         entry.get("required", True))
        for entry in entries or ()
    )  # fmt: skip


def _inputs(
    files: Files,
    env_files: tuple[tuple[str, bool], ...],
    caves: Caves,
    directory: str,
) -> tuple[tuple[str, str], ...]:
    prompts = (
        absolute(agent["prompt"]["file"], directory, _HOME)
        for cave in caves.values()
        for agent in cave["agents"].values()
        if isinstance(agent.get("prompt"), dict)
    )
    found = [(name, "caves") for name in files.names]
    found += [(path, "env") for path, _ in env_files]
    found += [(path, "prompt") for path in prompts]
    return tuple(dict.fromkeys(found))


def _warnings(caves: Caves, origins: Mapping[str, str]) -> Iterator[str]:
    both = (
        origins.get(name, name)
        for name, cave in caves.items()
        if cave.get("setup") and cave.get("workspace", {}).get("link")
    )
    for name in dict.fromkeys(both):
        yield (
            f"caves.{name}: has both link and setup: "
            "an installer follows links into the main checkout"
        )


def _with_dollars(caves: Caves) -> frozenset[str]:
    known: dict[int, bool] = {}
    return frozenset(name for name, cave in caves.items() if _holds_dollar(cave, known))


def _holds_dollar(node: Any, known: dict[int, bool]) -> bool:
    if isinstance(node, str):
        return is_open(node)
    if not isinstance(node, dict | list):
        return False
    if id(node) not in known:
        items = node.values() if isinstance(node, dict) else node
        known[id(node)] = any(_holds_dollar(item, known) for item in items)
    return known[id(node)]
