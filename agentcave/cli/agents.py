"""What ``start``, ``stop`` and ``restart`` share."""

import argparse
from functools import partial

from agentcave import config
from agentcave.cli import project as projects
from agentcave.cli.choose import keys_of
from agentcave.cli.converge import change_intents, converge, writing
from agentcave.cli.locking import add_timeout
from agentcave.cli.trusting import check_trust
from agentcave.model.desired import Request


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", metavar="CAVE[/AGENT]", help="only these; default all")
    parser.add_argument("--json", action="store_true")
    add_timeout(parser)


def begin(args: argparse.Namespace, *, restart: bool) -> int:
    """Start or restart agents of a file that is sound and trusted."""
    located = projects.require(projects.locate(args, changes=True))
    document = projects.load(located)
    names = list(dict.fromkeys(word.partition("/")[0] for word in args.names))
    chosen = config.select(document, names, profiles=args.profile, dependencies=False)
    declared = {name: document.declared[name] for name in chosen}
    with writing(args, document.name, document.uid, document.file) as (state, lock):
        check_trust(args, located, document, state)
        spec = projects.resolve(document, chosen)
        keys = keys_of(args.names or chosen, declared, document.groups)
        picked = frozenset(keys)
        request = Request(
            only=picked,
            revive=picked,
            restart=picked if restart else frozenset(),
            drifted=restart,
            fresh=getattr(args, "fresh", False),
            setup=getattr(args, "setup", False),
            cause="restart",
        )
        intend = partial(change_intents, state, keys, "running")
        return converge(args, spec, state, lock, request, intend=intend)
