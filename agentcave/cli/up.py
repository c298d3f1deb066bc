"""``agentcave up``: converge."""

import argparse

from agentcave import config
from agentcave.cli import project as projects
from agentcave.cli.choose import keys_of
from agentcave.cli.converge import add_timeout, change_intents, converge, dry_run, writing
from agentcave.cli.plan import look_only
from agentcave.cli.trusting import check_trust
from agentcave.model.desired import Request


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("caves", nargs="*", metavar="CAVE", help="these and what they depend on")
    parser.add_argument("--dry-run", action="store_true", help="the same as `plan`")
    parser.add_argument("--wait", action="store_true", help="until the agents are ready")
    parser.add_argument(
        "--wait-for", choices=("started", "ready", "completed"), help="until they are that"
    )
    parser.add_argument("--force", action="store_true", help="restart attached agents too")
    parser.add_argument("--no-deps", action="store_true", help="leave dependencies alone")
    parser.add_argument("--json", action="store_true")
    add_timeout(parser)


def run(args: argparse.Namespace) -> int:
    if args.dry_run:
        return dry_run(args, look_only(args))
    located = projects.require(projects.locate(args, changes=True))
    document = projects.load(located)
    names = config.select(
        document, args.caves, profiles=args.profile, dependencies=not args.no_deps
    )
    with writing(args, document.name, document.uid, document.file) as state:
        check_trust(args, located, document, state)
        spec = projects.resolve(document, names)
        named = keys_of(args.caves, document.declared, document.groups)
        change_intents(state, named, "running")
        return converge(
            args,
            spec,
            state,
            Request(revive=frozenset(named), force=args.force, orphans=not args.caves),
            wait_for=args.wait_for or ("ready" if args.wait else None),
        )
