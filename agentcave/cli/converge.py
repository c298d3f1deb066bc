"""The way of every verb that changes something: lock, look, act, report."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Collection, Iterator

from agentcave.cli import project as projects
from agentcave.cli.locking import locked
from agentcave.cli.locking import timeout_of as timeout_of
from agentcave.cli.terminal import colored, say
from agentcave.hosts import LocalHost
from agentcave.model.desired import Request, Wanted
from agentcave.model.observed import History, Intent, Key
from agentcave.model.spec import ProjectSpec
from agentcave.plan.plan import Plan
from agentcave.reconcile.controllers import clock_of
from agentcave.reconcile.lock import ProjectLock
from agentcave.reconcile.once import (
    Outcome,
    Pass,
    act,
    check_programs,
    check_room,
    decide_for,
    left_over,
    see,
    sweep,
)
from agentcave.reconcile.remember import settle
from agentcave.report.plan import render_plan
from agentcave.report.text import paint, plain
from agentcave.sessions.panes import Reading
from agentcave.state import State


@contextlib.contextmanager
def writing(
    args: argparse.Namespace, name: str, uid: str, file: str
) -> Iterator[tuple[State, ProjectLock]]:
    """The project's history, and its lock."""
    state = projects.state_for_writing(name, uid, file)
    try:
        with locked(args, state.folder) as lock:
            yield state, lock
    finally:
        state.close()


def converge(
    args: argparse.Namespace,
    spec: ProjectSpec,
    state: State,
    lock: ProjectLock,
    request: Request,
    wanted: Wanted = "running",
    wait_for: str | None = None,
    reading: Reading | None = None,
    intend: Callable[[], None] = lambda: None,
    strays: bool = False,
) -> int:
    """One pass under the lock; returns the exit code. ``reading`` was begun under the lock too.

    ``intend`` writes down what a person wants, once it is known that nothing is refused as a whole.
    ``strays``: see ``act``.
    """
    host = LocalHost()
    key = state.ensure_key()
    reading = reading or projects.begin_reading(args)
    view = see(host, reading, spec, request, state, key, wanted, mend=True)
    clock = clock_of(state.folder)
    view, _ = settle(host, state, view, clock())
    intend()
    sweep(view, state)
    seen = decide_for(host, os.environ, view, request, key)
    for warning in spec.warnings:
        say(args, f"warning: {warning}")
    if not seen.plan.steps and wait_for is None and not left_over(seen, state):
        return report(args, seen.plan, Outcome())
    check_programs(seen)
    check_room(seen)
    outcome = _act(args, host, seen, state, lock, key, wait_for, strays, clock)
    return report(args, seen.plan, outcome)


def dry_run(args: argparse.Namespace, plan: Plan) -> int:
    from agentcave.report.json import plan_json

    if getattr(args, "json", False):
        print(plan_json(plan))
    else:
        print(render_plan(plan, colored(args)))
    return plan.exit_code() if getattr(args, "detailed_exitcode", False) else 0


def report(args: argparse.Namespace, plan: Plan, outcome: Outcome) -> int:
    """Say what became of a plan; the exit code says it too."""
    from agentcave.report.json import outcome_json
    from agentcave.report.outcome import failures, notes, render_outcome

    if getattr(args, "json", False):
        print(outcome_json(plan, outcome.events))
    else:
        for line in failures(outcome.events, plan.file):
            print(paint(line, "31", colored(args)), file=sys.stderr)
        if not args.quiet:
            for cave, note in notes(plan, outcome.events):
                say(args, f"{cave}: {note}")
            print(render_outcome(plan, outcome.events))
    for trouble in outcome.troubles:
        print(plain(trouble), file=sys.stderr)
    if outcome.late:
        return 124
    bad = any(event.result != "done" for event in outcome.events)
    return 1 if bad or outcome.troubles else 0


def taken_down(state: State, caves: Collection[str]) -> list[Key]:
    """The agents of these caves that a controller leaves alone since their `down`."""
    known = state.histories().items()
    return [key for key, past in known if past.intent == "down" and key[0] in caves]


def change_intents(state: State, keys: list[Key], intent: Intent) -> None:
    """Write down what a person wants of agents; a controller reads it too."""
    known = state.histories()
    changed = {}
    for key in keys:
        past = known.get(key, History())
        if past.intent != intent or (intent == "running" and past.ended == "stopped"):
            ended = None if past.ended == "stopped" else past.ended
            # What `down` has ended is no session that somebody took away.
            session = None if past.intent == "down" else past.session
            changed[key] = past._replace(intent=intent, ended=ended, session=session)
    if changed:
        state.put_histories(changed)


def _act(
    args: argparse.Namespace,
    host: LocalHost,
    seen: Pass,
    state: State,
    lock: ProjectLock,
    key: tuple[str, bytes],
    wait_for: str | None,
    strays: bool,
    clock: Callable[[], float],
) -> Outcome:
    import anyio

    from agentcave.cli.progress import Progress

    socket = projects.server(args).socket
    environ = dict(os.environ)  # which decodes itself at every look
    with Progress(args, len(seen.plan.planned)) as progress:
        return anyio.run(
            act,
            host,
            socket,
            seen,
            state,
            key,
            environ,
            progress,
            timeout_of(args),
            wait_for,
            strays,
            clock,
            lock,
        )
