"""``agentcave trust``: allow a caves file, in its present form, to run things."""

import argparse
import os
import sys

from agentcave.cli import project as projects
from agentcave.cli.converge import writing
from agentcave.cli.locking import add_timeout
from agentcave.cli.terminal import can_ask, confirmed
from agentcave.cli.trusting import pending_diff, record_trust, require_ours
from agentcave.errors import NotTrusted, UsageError
from agentcave.report.text import plain


def arguments(parser: argparse.ArgumentParser) -> None:
    add_timeout(parser)
    parser.add_argument("--yes", action="store_true", help="do not ask on a terminal")


def run(args: argparse.Namespace) -> int:
    if "AGENTCAVE_SESSION_DIR" in os.environ:
        raise UsageError("an agent does not trust a caves file", "run it in a terminal of your own")
    located = projects.require(projects.locate(args, changes=True))
    document = projects.load(located)
    require_ours(document)
    diff = pending_diff(document, projects.state_for_reading(document.uid))
    if not diff:
        print(plain(f"{document.file} is trusted as it is"))
        return 0
    print(diff, end="", file=sys.stderr)
    if can_ask() and not args.yes and not confirmed(f"Trust {document.file} in this form?"):
        raise NotTrusted(f"{document.file} stays untrusted")
    with writing(args, document.name, document.uid, document.file) as (state, _):
        record_trust(document, state)  # the end of the lock wakes a controller
    print(plain(f"trusted {document.file}"))
    return 0
