"""``agentcave events``: what was done, when and why."""

import argparse
import json
import sys
import time

from agentcave.cli import project as projects
from agentcave.cli.terminal import number

TICK = 0.25


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-f", "--follow", action="store_true", help="and what is done from now on")
    parser.add_argument("--tail", type=number, metavar="N", help="only the last N (default all)")


def run(args: argparse.Namespace) -> int:
    """JSON lines, the oldest first. The history keeps the last 10000."""
    identity, _ = projects.identify(args, projects.begin_reading(args))
    state = projects.state_for_reading(identity.uid)
    known = state.events()
    first = max(0, len(known) - args.tail) if args.tail is not None else 0
    last = _show(known[first:], known[-1][0] if known else 0)
    while args.follow:
        time.sleep(TICK)
        if not state.is_open:
            state = projects.state_for_reading(identity.uid)
        last = _show(state.events(last), last)
    return 0


def _show(events: list[tuple[int, dict[str, object]]], last: int) -> int:
    """Print them; the number of the last one that was printed."""
    for _, event in events:
        print(json.dumps(event))
    sys.stdout.flush()
    return events[-1][0] if events else last
