"""``agentcave trust``: allow a caves file, in its present form, to run things."""

import argparse
import sys

from agentcave.cli import project as projects
from agentcave.cli.converge import writing
from agentcave.cli.locking import add_timeout
from agentcave.cli.terminal import can_ask, confirmed
from agentcave.cli.trusting import pending_diff, record_trust
from agentcave.errors import NotTrusted


def arguments(parser: argparse.ArgumentParser) -> None:
    add_timeout(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask on a terminal")


def run(args: argparse.Namespace) -> int:
    located = projects.require(projects.locate(args, changes=True))
    document = projects.load(located)
    diff = pending_diff(document, projects.state_for_reading(document.uid))
    if not diff:
        print(f"{document.file} is trusted as it is")
        return 0
    print(diff, end="", file=sys.stderr)
    if can_ask() and not args.yes and not confirmed(f"Trust {document.file} in this form?"):
        raise NotTrusted(f"{document.file} stays untrusted")
    with writing(args, document.name, document.uid, document.file) as state:  # wakes a controller
        record_trust(document, state)
    print(f"trusted {document.file}")
    return 0
