"""Document + environment -> typed specs of the selected caves."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from agentcave.model.spec import CaveSpec, ProjectSpec, secrets_of

from .document import Document
from .files import RealPaths, Unreadable, foreign, is_open_to_others, place, read_regular
from .placement import Placed, conflicts, place_problem, written_path
from .problems import Flaw, Problem, spec_error
from .typed import Typer

Caves = Mapping[str, Mapping[str, Any]]

_MAX_ENV_FILE = 1 << 20


def resolve(
    document: Document, names: Sequence[str], environ: Mapping[str, str], *, home: str
) -> ProjectSpec:
    """Fill in and type the named caves, the others untouched.

    ``environ`` wins over env_files here. Raises ``SpecError`` with all problems.
    """
    env, problems = _read_env_files(document, home) if document.env_files else ({}, [])
    filled = _interpolate(document, names, {**env, **environ})
    typer = Typer(document.directory, home)
    origins = document.origins()
    flaws = list(filled.flaws)
    caves: tuple[CaveSpec, ...] = ()
    if not flaws:
        caves = tuple(
            typer.cave(name, origins.get(name, name), node, ("caves", name))
            for name, node in filled.caves.items()
        )
        flaws = [*typer.flaws, *_places(document, filled.caves, caves)]
    if problems or flaws:
        raise _error(document, origins, problems, flaws)
    return ProjectSpec(
        name=document.name,
        uid=document.uid,
        file=document.file,
        directory=document.directory,
        caves=caves,
        declared=document.declared,
        env=env,
        warnings=(*document.warnings, *_readable(document, home, caves)),
    )


class _Filled(NamedTuple):
    caves: Caves
    flaws: list[Flaw]


def _interpolate(document: Document, names: Sequence[str], variables: Mapping[str, str]) -> _Filled:
    if document.dollars.isdisjoint(names):
        return _Filled({name: document.caves[name] for name in names}, [])
    from .interpolate import Interpolation

    fill = Interpolation(variables)
    caves = {
        name: fill(document.caves[name], ("caves", name))
        if name in document.dollars
        else document.caves[name]
        for name in names
    }
    if fill.flaws:
        return _Filled(caves, fill.flaws)
    changed = {name: caves[name] for name in names if name in document.dollars}
    return _Filled(caves, list(_filled_in_flaws(changed)))


def _filled_in_flaws(caves: Caves) -> Iterator[Flaw]:
    from . import values

    seen: set[int] = set()
    for name, cave in caves.items():
        yield from values.cave_flaws(("caves", name), cave, final=True)
        for agent, node in cave["agents"].items():
            if id(node) not in seen:
                seen.add(id(node))
                yield from values.agent_flaws(("caves", name, "agents", agent), node, final=True)


def _places(document: Document, nodes: Caves, caves: Sequence[CaveSpec]) -> Iterator[Flaw]:
    real = RealPaths()
    directory = real(document.directory)
    placed: list[Placed] = []
    for cave in caves:
        workspace = cave.workspace
        entry = Placed(cave.name, workspace.type, real(workspace.path), workspace.branch)
        written = written_path(cave.name, nodes[cave.name].get("workspace", {}))
        problem = place_problem(entry, written, directory)
        if problem is None:
            placed.append(entry)
        else:
            yield Flaw(("caves", cave.name, "workspace", "path"), problem)
    yield from conflicts(placed)


def _read_env_files(document: Document, home: str) -> tuple[dict[str, str], list[Problem]]:
    from .dotenv import parse_env

    env: dict[str, str] = {}
    problems: list[Problem] = []
    after_sources = len(document.sources)
    for order, (written, required) in enumerate(document.env_files, after_sources):
        path = place(written, document.directory, home)
        try:
            text = read_regular(path, _MAX_ENV_FILE).decode()
        except Unreadable as exc:
            if required or not isinstance(exc.__cause__, FileNotFoundError):
                hint = "create it, or write required: false"
                problems.append(
                    Problem(order, 1, 1, path, "env_file", f"cannot be read: {exc}", hint)
                )
            continue
        except UnicodeDecodeError:
            problems.append(Problem(order, 1, 1, path, "env_file", "not valid UTF-8"))
            continue
        if why := foreign(path):
            problems.append(Problem(order, 1, 1, path, "env_file", why))
            continue
        values_read, bad = parse_env(text)
        env.update(values_read)
        problems += [Problem(order, b.line, 1, path, "env_file", b.message) for b in bad]
    return env, problems


def _readable(document: Document, home: str, caves: Sequence[CaveSpec]) -> Iterator[str]:
    """A warning for each file of values that others may read."""
    places = [place(written, document.directory, home) for written, _ in document.env_files]
    secrets = (one for cave in caves for one in secrets_of(cave) if one.kind == "file")
    places += (str(one.source) for one in secrets)
    for path in dict.fromkeys(places):
        if is_open_to_others(path):
            yield f"{path} can be read by others: chmod 600 {path}"


def _error(
    document: Document, origins: dict[str, str], problems: list[Problem], flaws: list[Flaw]
) -> Exception:
    files = document.files()
    return spec_error([*problems, *(files.locate(flaw, origins) for flaw in flaws)])
