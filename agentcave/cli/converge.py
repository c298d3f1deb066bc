"""The way of every verb that changes something: lock, look, act, report."""

import argparse
import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Literal

from agentcave.cli import project as projects
from agentcave.cli.locking import locked
from agentcave.cli.locking import timeout_of as timeout_of
from agentcave.cli.terminal import colored, say
from agentcave.hosts import LocalHost
from agentcave.model.desired import Request, Wanted
from agentcave.model.observed import History, Intent, Key
from agentcave.model.spec import ProjectSpec
from agentcave.plan.plan import Plan
from agentcave.plan.status import is_complete
from agentcave.reconcile.once import Outcome, Pass, act, check_programs, left_over, look, sweep
from agentcave.reconcile.servers import refuse_elsewhere
from agentcave.report.plan import render_plan
from agentcave.report.text import paint, plain
from agentcave.sessions.panes import Reading
from agentcave.state import State
from agentcave.workspaces import ensure_ignored


@contextlib.contextmanager
def writing(args: argparse.Namespace, name: str, uid: str, file: str) -> Iterator[State]:
    """The project's history, and its lock."""
    state = projects.state_for_writing(name, uid, file)
    try:
        with locked(args, state.folder):
            yield state
    finally:
        state.close()


def converge(
    args: argparse.Namespace,
    spec: ProjectSpec,
    state: State,
    request: Request,
    wanted: Wanted = "running",
    wait_for: str | None = None,
    reading: Reading | None = None,
    intend: Callable[[], None] = lambda: None,
) -> int:
    """One pass under the lock; returns the exit code. ``reading`` was begun under the lock too.

    ``intend`` writes down what a person wants, once it is known that nothing is refused as a whole.
    """
    host = LocalHost()
    key = state.ensure_key()
    seen = look(host, reading or projects.begin_reading(args), spec, request, state, key, wanted)
    refuse_elsewhere(host, state, seen.desired.uid, seen.sight.server_pid)
    _remember(state, seen)
    intend()
    sweep(seen, state)
    if seen.sight.exposed:
        ensure_ignored(seen.desired.directory)
    for warning in spec.warnings:
        say(args, f"warning: {warning}")
    if not seen.plan.steps and wait_for is None and not left_over(seen, state):
        return report(args, seen.plan, Outcome())
    check_programs(host, seen, os.environ)
    outcome = _act(args, host, seen, state, key, wait_for)
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
    from agentcave.report.outcome import failures, render_outcome

    if getattr(args, "json", False):
        print(outcome_json(plan, outcome.events))
    else:
        for line in failures(outcome.events, plan.file):
            print(paint(line, "31", colored(args)), file=sys.stderr)
        if not args.quiet:
            for cave, note in plan.notes:
                say(args, f"{cave}: {note}")
            print(render_outcome(plan, outcome.events))
    for trouble in outcome.troubles:
        print(plain(trouble), file=sys.stderr)
    if outcome.late:
        return 124
    bad = any(event.result != "done" for event in outcome.events)
    return 1 if bad or outcome.troubles else 0


def change_intents(state: State, keys: list[Key], intent: Intent) -> None:
    """Write down what a person wants of agents; a controller reads it too."""
    known = state.histories()
    changed = {}
    for key in keys:
        past = known.get(key, History())
        if past.intent != intent or (intent == "running" and past.ended == "stopped"):
            ended = None if past.ended == "stopped" else past.ended
            changed[key] = past._replace(intent=intent, ended=ended)
    if changed:
        state.put_histories(changed)


def _act(
    args: argparse.Namespace,
    host: LocalHost,
    seen: Pass,
    state: State,
    key: tuple[str, bytes],
    wait_for: str | None,
) -> Outcome:
    import anyio

    from agentcave.cli.progress import Progress

    socket = projects.server(args).socket
    environ = dict(os.environ)  # which decodes itself at every look
    with Progress(args, len(seen.plan.planned)) as progress:
        return anyio.run(
            act, host, socket, seen, state, key, environ, progress, timeout_of(args), wait_for
        )


def _remember(state: State, seen: Pass) -> None:
    """Bookkeeping: what was adopted, how agents ended, context files with only a new stat."""
    if seen.sight.refreshed:
        state.put_seeds(seen.sight.refreshed)
    if seen.sight.adopted:
        state.put_workspaces(seen.sight.adopted)
    history = seen.sight.observed.history
    ends = dict(seen.sight.learned)
    for key, sessions in seen.sight.observed.sessions.items():
        last, past = sessions[-1], history.get(key, History())
        if last.dead and past.ended is None:
            agent = next(
                (a for c in seen.desired.caves.values() for a in c.agents if a.key == key), None
            )
            ended: Literal["completed", "failed"] = "failed"
            if is_complete(agent, last.exit_status):
                ended = "completed"
            ends[key] = past._replace(
                ended=ended,
                exit_status=last.exit_status,
                signal=last.signal,
            )
    if ends:
        state.put_histories(ends)
