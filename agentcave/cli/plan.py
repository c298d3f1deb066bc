"""``agentcave plan``: what ``up`` would do, and why."""

import argparse

from agentcave import config
from agentcave.cli import project as projects
from agentcave.cli.choose import keys_of
from agentcave.cli.converge import dry_run
from agentcave.hosts import LocalHost
from agentcave.model.desired import Request
from agentcave.plan.plan import Plan
from agentcave.reconcile.once import look


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("caves", nargs="*", metavar="CAVE", help="these and what they depend on")
    parser.add_argument(
        "--detailed-exitcode",
        action="store_true",
        help="exit 2 when there are changes, 1 when something is refused or held",
    )
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    return dry_run(args, look_only(args))


def look_only(args: argparse.Namespace) -> Plan:
    """The plan of an ``up``, with nothing changed, run or locked."""
    located = projects.require(projects.locate(args))
    document = projects.load(located)
    dependencies = not getattr(args, "no_deps", False)
    names = config.select(document, args.caves, profiles=args.profile, dependencies=dependencies)
    spec = projects.resolve(document, names)
    state = projects.state_for_reading(document.uid)
    named = keys_of(args.caves, document.declared, document.groups)
    request = Request(
        revive=frozenset(named),
        force=getattr(args, "force", False),
        orphans=not args.caves,
    )
    reading = projects.begin_reading(args)
    return look(LocalHost(), reading, spec, request, state, state.key()).plan
