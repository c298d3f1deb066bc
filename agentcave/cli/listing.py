"""The rows of ``ps``: of one project, or of all that live on the socket."""

import argparse
import contextlib
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from agentcave.cli import project as projects
from agentcave.cli.choose import groups_of, keys_of
from agentcave.cli.terminal import colored, say
from agentcave.errors import CaveError, Unavailable
from agentcave.hosts import LocalHost
from agentcave.model.observed import Observed
from agentcave.model.spec import ProjectSpec
from agentcave.reconcile.attend import attend, rules_of
from agentcave.reconcile.controllers import controller_of
from agentcave.reconcile.live import observe_sessions
from agentcave.reconcile.servers import other_home, refuse_lost
from agentcave.report.sessions import (
    Row,
    controller_object,
    controller_text,
    render_rows,
    rows_json,
    rows_of,
    stray_text,
    with_failures,
    with_survivors,
)
from agentcave.sessions.panes import Reading, survivor
from agentcave.state import State

if TYPE_CHECKING:
    from agentcave.sessions.strays import Stray


def list_project(args: argparse.Namespace, reading: Reading) -> int:
    try:
        identity, state, rows = rows_now(args, reading, args.caves)
    except Unavailable as exc:
        return _unreachable(args, exc)
    return _show(args, identity, rows, state, _strays(reading))


def _strays(reading: Reading) -> tuple["Stray", ...]:
    """What the tmux server holds and no session accounts for."""
    server = reading.server_pid
    if server is None:
        return ()
    from agentcave.sessions.strays import may_hold, strays

    return strays(server, reading.seen) if may_hold(server, reading.pane_pids) else ()


def rows_now(
    args: argparse.Namespace, reading: Reading, words: Sequence[str], *, every_screen: bool = False
) -> tuple[projects.Identity, State, list[Row]]:
    """One row for each agent that ``words`` mean (none: all), as it is now."""
    identity, live = projects.identify(args, reading)
    spec = identity.spec or projects.spec_from_stamps(identity, live)
    state = projects.state_for_reading(identity.uid)
    if reading.server_pid is None:
        refuse_lost(state)
    observed = observe_sessions(live, identity.uid, state.histories())
    rules = rules_of(spec.caves)
    observed = attend(
        LocalHost(), reading.server, state.folder, observed, rules, every_screen=every_screen
    )
    key = state.key() if identity.spec else None  # stamps do not tell what was declared
    controller = controller_of(state.folder)
    watched_at = controller.clock() if controller else None
    kept = controller.keeps if controller else None
    rows = rows_of(spec, observed, key, watched_at=watched_at, kept=kept)
    rows = with_failures(rows, state.failures)
    other = partial(other_home, state, reading.server_pid)
    rows = with_survivors(rows, partial(survivor, state.folder), other)
    if words:
        wanted = set(keys_of(words, declared_or_live(spec, rows), groups_of(spec)))
        rows = [row for row in rows if row.key in wanted]
    return identity, state, rows


def declared_or_live(spec: ProjectSpec, rows: Sequence[Row]) -> dict[str, tuple[str, ...]]:
    """What can be named: also what left the file and still lives."""
    known = dict(spec.declared)
    for cave, agent in (row.key for row in rows if row.wanted == "absent"):
        known[cave] = tuple(dict.fromkeys((*known.get(cave, ()), agent)))
    return known


def _show(
    args: argparse.Namespace,
    identity: projects.Identity,
    rows: list[Row],
    state: State,
    strays: Sequence["Stray"] = (),
) -> int:
    if args.workspaces:
        rows = _with_git(rows, state)
    controller = controller_of(state.folder)
    if args.json:
        told = controller_object(controller) if controller else None
        print(rows_json(identity.name, identity.uid, identity.file, rows, told, strays))
    elif args.names:
        print("\n".join("/".join(row.key) for row in rows))
    else:
        print(render_rows(rows, int(time.time()), colored(args), git=args.workspaces))
        for stray in strays:
            say(args, stray_text(stray))
        if controller:
            say(args, controller_text(controller))
    return 0


def _with_git(rows: list[Row], state: State) -> list[Row]:
    """What git says of each workspace; nothing of one that is no checkout."""
    from agentcave.workspaces import git_state

    host, known = LocalHost(), {}
    bases = {record.path: record.base for record in state.workspaces().values()}
    for path in dict.fromkeys(row.path for row in rows if os.path.isdir(row.path)):
        with contextlib.suppress(CaveError):
            known[path] = git_state(host, path, bases.get(path))
    return [row._replace(git=known.get(row.path)) for row in rows]


def _unreachable(args: argparse.Namespace, exc: Unavailable) -> int:
    """Without tmux the declared agents are shown as unreachable, and the exit code says it."""
    located = projects.require(projects.locate(args))
    document = projects.load(located)
    spec = projects.resolve(document, tuple(document.caves))
    state = projects.state_for_reading(document.uid)
    observed = Observed(unreachable=exc.message, history=state.histories())
    identity = projects.Identity(spec.name, spec.uid, spec.file, spec)
    _show(args, identity, rows_of(spec, observed, state.key()), state)
    say(args, str(exc))
    return exc.exit_code


def list_all(args: argparse.Namespace, reading: Reading) -> int:
    live = reading.sessions()
    uids = {one.stamp.uid: one.stamp for one in live}
    rows: list[Row] = []
    for uid, stamp in sorted(uids.items(), key=lambda item: (item[1].project, item[0])):
        identity = projects.Identity(stamp.project, uid, stamp.file, None)
        spec = projects.spec_from_stamps(identity, live)
        try:
            state = projects.state_for_reading(uid)
            observed = observe_sessions(live, uid, state.histories())
            observed = attend(LocalHost(), reading.server, state.folder, observed, {})
        except CaveError as exc:
            print(exc, file=sys.stderr)
            continue
        rows += rows_of(spec, observed, None, project=stamp.project)
    if args.json:
        print(rows_json(None, None, None, rows))
    elif args.names:
        print("\n".join("/".join((row.project or "", *row.key)) for row in rows))
    elif not rows:
        print("nothing runs on this socket")
    else:
        print(render_rows(rows, int(time.time()), colored(args), git=False))
    return 0
