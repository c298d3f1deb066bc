"""``agentcave ps``: sessions, desired against observed. The fastest path of all."""

import argparse

from agentcave.cli.locate import begin_reading


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("caves", nargs="*", metavar="CAVE", help="only these; default all")
    parser.add_argument("-q", dest="names", action="store_true", help="print names only")
    parser.add_argument("--all", action="store_true", help="every project on the socket")
    parser.add_argument("--workspaces", action="store_true", help="ask git about them too")
    parser.add_argument("--watch", action="store_true", help="refresh until interrupted")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    if not args.watch:
        return _once(args)
    from agentcave.cli.watching import repeat

    return repeat(lambda: _once(args))


def _once(args: argparse.Namespace) -> int:
    reading = begin_reading(args)
    from agentcave.cli.listing import list_all, list_project  # loaded while tmux answers

    return list_all(args, reading) if args.all else list_project(args, reading)
