"""``agentcave trust``: allow a caves file, in its present form, to run things."""

import argparse
import sys

from agentcave.cli import project as projects
from agentcave.cli.terminal import can_ask, confirmed
from agentcave.cli.trusting import pending_diff, record_trust
from agentcave.errors import NotTrusted


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--yes", action="store_true", help="do not ask on a terminal")


def run(args: argparse.Namespace) -> int:
    located = projects.require(projects.locate(args, changes=True))
    document = projects.load(located)
    state = projects.state_for_writing(document.name, document.uid, document.file)
    diff = pending_diff(document, state)
    if not diff:
        print(f"{document.file} is trusted as it is")
        return 0
    print(diff, end="", file=sys.stderr)
    if can_ask() and not args.yes and not confirmed(f"Trust {document.file} in this form?"):
        raise NotTrusted(f"{document.file} stays untrusted")
    record_trust(document, state)
    print(f"trusted {document.file}")
    return 0
