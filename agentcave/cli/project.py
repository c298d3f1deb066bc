"""Which project a command is about: by file, by search, or by the stamps of what lives."""

import argparse
import os
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from agentcave import config
from agentcave.cli.locate import Located as Located
from agentcave.cli.locate import absolute as absolute
from agentcave.cli.locate import begin_reading as begin_reading
from agentcave.cli.locate import locate as locate
from agentcave.cli.locate import require as require
from agentcave.cli.locate import server as server
from agentcave.cli.terminal import say
from agentcave.errors import CaveError, SpecError, UsageError
from agentcave.hosts import cache_folder, existing_folder, project_folder, state_root
from agentcave.model.observed import ObservedSession
from agentcave.model.spec import AgentSpec, CaveSpec, ProjectSpec, WorkspaceSpec
from agentcave.sessions.panes import Reading
from agentcave.state import State, open_state, read_state


def load(located: Located) -> config.Document:
    return config.load(located.files, cache=cache_folder(os.environ))


def resolve(document: config.Document, names: Sequence[str]) -> ProjectSpec:
    home = os.environ.get("HOME") or os.path.expanduser("~")
    return config.resolve(document, names, os.environ, home=home)


def state_for_reading(uid: str) -> State:
    return read_state(existing_folder(state_root(os.environ), uid))


def state_for_writing(name: str, uid: str, file: str) -> State:
    state = open_state(project_folder(state_root(os.environ), name, uid))
    if state.text("file") != file:
        state.set_meta(file=file)
    return state


class Identity(NamedTuple):
    """A project as far as it is known; ``spec`` is None when only stamps tell of it."""

    name: str
    uid: str
    file: str
    spec: ProjectSpec | None


def identify(
    args: argparse.Namespace, reading: Reading, *, ending: bool = False
) -> tuple[Identity, list[ObservedSession]]:
    """The project for commands that need no more than its identity, and what lives.

    A file that is broken or missing, or not trusted where it says how agents are ``ending``, is
    named on stderr, and the stamps take its place. Raises UsageError when neither names a project,
    and SpecError for a broken file of which nothing lives.
    """
    located = Located((), True) if args.project and not args.file else locate(args)
    wrong: SpecError | None = None
    live: list[ObservedSession] | None = None
    if located.files:
        try:
            document = load(located)
            if not ending or _is_trusted(located, document):
                names = _caves(args, document, ending)
                spec = resolve(document, names)  # while tmux answers
                live = reading.sessions()
                if extra := _unselected(document, names, live):
                    spec = resolve(document, (*names, *extra))
                return Identity(spec.name, spec.uid, spec.file, spec), live
            live = reading.sessions()
            say(args, f"{document.file} is not trusted as it is; going by what runs instead")
            return Identity(document.name, document.uid, document.file, None), live
        except SpecError as exc:
            wrong = exc
            count = len(exc.problems)
            more = f" (and {count - 1} more)" if count > 1 else ""
            say(args, f"{exc.problems[0]}{more}; going by what runs instead")
    live = reading.sessions() if live is None else live
    return _by_stamps(args, located, live, wrong), live


def check_place(args: argparse.Namespace) -> None:
    """Raises UsageError where nothing may be changed without naming the file: inside a cave."""
    if not args.project:
        locate(args, changes=True)


def _is_trusted(located: Located, document: config.Document) -> bool:
    from agentcave.cli.trusting import is_trusted

    return is_trusted(located, document, state_for_reading(document.uid))


def _by_stamps(
    args: argparse.Namespace,
    located: Located,
    live: Iterable[ObservedSession],
    wrong: SpecError | None,
) -> Identity:
    projects = {one.stamp.uid: one.stamp for one in live}
    if args.project:
        matching = [stamp for stamp in projects.values() if stamp.project == args.project]
        if not matching:
            names = sorted({stamp.project for stamp in projects.values()})
            raise UsageError(
                f"no live project is called {args.project}",
                f"live: {', '.join(names)}" if names else "nothing runs on this socket",
            )
    elif located.files:
        matching = [stamp for uid, stamp in projects.items() if uid == located.uid]
        if not matching:
            raise wrong or CaveError(f"nothing of {located.files[0]} runs")
    else:
        matching = list(projects.values())
    if len(matching) != 1:
        if not matching:
            require(located)
        raise UsageError(
            "more than one project fits: " + ", ".join(sorted(stamp.file for stamp in matching)),
            "name its file with -f",
        )
    stamp = matching[0]
    return Identity(stamp.project, stamp.uid, stamp.file, None)


def spec_from_stamps(identity: Identity, live: Iterable[ObservedSession]) -> ProjectSpec:
    """As much of a spec as ending sessions needs, when there is no better one."""
    agents: dict[str, dict[str, AgentSpec]] = {}
    places: dict[str, str] = {}
    for one in live:
        if one.stamp.uid == identity.uid and not one.is_controller:
            stamp = one.stamp
            agents.setdefault(stamp.cave, {})[stamp.agent] = AgentSpec(stamp.agent, stamp.type)
            places[stamp.cave] = stamp.workspace
    caves = tuple(
        CaveSpec(name, name, WorkspaceSpec("directory", places[name]), tuple(members.values()))
        for name, members in sorted(agents.items())
    )
    directory = os.path.dirname(identity.file)
    declared = {cave.name: tuple(agent.name for agent in cave.agents) for cave in caves}
    return ProjectSpec(identity.name, identity.uid, identity.file, directory, caves, declared)


def _caves(args: argparse.Namespace, document: config.Document, ending: bool) -> tuple[str, ...]:
    """The caves of the selected profiles.

    What ends takes all, but those with a variable that is not set here would be an error then.
    """
    if ending and document.dollars.isdisjoint(document.caves):
        return tuple(document.caves)
    return config.select(document, (), profiles=args.profile)


def _unselected(
    document: config.Document, names: Sequence[str], live: Iterable[ObservedSession]
) -> tuple[str, ...]:
    """The caves that run although their profile is not selected."""
    running = {one.stamp.cave for one in live if one.stamp.uid == document.uid}
    extra = running.difference(names)
    return tuple(name for name in document.caves if name in extra) if extra else ()
