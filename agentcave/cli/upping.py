"""What ``up`` does under the lock."""

import argparse
from contextlib import closing
from functools import partial

from agentcave import config
from agentcave.cli import project as projects
from agentcave.cli.choose import keys_of
from agentcave.cli.converge import change_intents, converge, taken_down
from agentcave.cli.trusting import check_trust
from agentcave.model.desired import Request
from agentcave.reconcile.lock import ProjectLock
from agentcave.sessions.panes import Reading


def up(
    args: argparse.Namespace, located: projects.Located, lock: ProjectLock, reading: Reading
) -> int:
    document = projects.load(located)
    names = config.select(
        document, args.caves, profiles=args.profile, dependencies=not args.no_deps
    )
    state = projects.state_for_writing(document.name, document.uid, document.file)
    with closing(state):
        check_trust(args, located, document, state)
        spec = projects.resolve(document, names)
        named = keys_of(args.caves, document.declared, document.groups)
        return converge(
            args,
            spec,
            state,
            lock,
            Request(revive=frozenset(named), force=args.force, orphans=not args.caves),
            wait_for=args.wait_for or ("ready" if args.wait else None),
            reading=reading,
            intend=partial(change_intents, state, [*named, *taken_down(state, names)], "running"),
        )
