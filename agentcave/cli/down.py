"""``agentcave down``: stop sessions, the whole process tree of each; keep the work."""

import argparse
from collections.abc import Iterator
from functools import partial

from agentcave.cli import project as projects
from agentcave.cli.choose import groups_of, keys_of
from agentcave.cli.converge import converge, writing
from agentcave.cli.locking import add_timeout
from agentcave.cli.watched import end_controller
from agentcave.model.desired import Request
from agentcave.model.observed import History, Key
from agentcave.model.spec import ProjectSpec
from agentcave.state import State


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("caves", nargs="*", metavar="CAVE", help="only these; default all")
    parser.add_argument(
        "--remove-workspaces",
        action="store_true",
        help="remove the workspaces that hold nothing to lose; the others are refused by name",
    )
    parser.add_argument("--json", action="store_true")
    add_timeout(parser)


def run(args: argparse.Namespace) -> int:
    projects.check_place(args)
    identity, live = projects.identify(args, projects.begin_reading(args), ending=True)
    spec = identity.spec or projects.spec_from_stamps(identity, live)
    chosen = None
    if args.caves:
        chosen = frozenset(keys_of(args.caves, spec.declared, groups_of(spec)))
        named = {cave for cave, _ in chosen}
        spec = spec._replace(caves=tuple(cave for cave in spec.caves if cave.name in named))
    with writing(args, identity.name, identity.uid, identity.file) as (state, lock):
        request = Request(
            only=chosen,
            force=True,
            orphans=chosen is None,
            remove_workspaces=args.remove_workspaces,
            cause="down",
        )
        intend = partial(_forget, state, chosen or frozenset(_all(spec)), whole=chosen is None)
        whole = chosen is None
        code = converge(
            args, spec, state, lock, request, wanted="absent", intend=intend, strays=whole
        )
        if chosen is None:
            end_controller(projects.server(args), state.folder, identity.uid)
        return code


def _all(spec: ProjectSpec) -> Iterator[Key]:
    return ((cave, agent) for cave, agents in spec.declared.items() for agent in agents)


def _forget(state: State, chosen: frozenset[Key], *, whole: bool) -> None:
    """Sticky stops and ends: the next `up` starts everything, and a controller leaves it alone."""
    known = {**dict.fromkeys(chosen, History()), **state.histories()}
    forgotten = {
        key: past._replace(
            intent="down", ended=None, exit_status=None, signal=None, streak=0, ended_at=None
        )
        for key, past in known.items()
        if (whole or key in chosen) and (past.intent != "down" or past.ended)
    }
    if forgotten:
        state.put_histories(forgotten)
