"""``agentcave attach``: the live terminal of an agent."""

import argparse
import os
import sys

from agentcave.cli import project as projects
from agentcave.cli.target import live_target
from agentcave.errors import CaveError, Unavailable
from agentcave.hosts import LocalHost


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="CAVE[/AGENT]")
    parser.add_argument("--read-only", action="store_true", help="look, but type nothing")


def run(args: argparse.Namespace) -> int:
    session = live_target(args, args.agent)
    server = projects.server(args)
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise CaveError("attach needs a terminal", f"`agentcave logs {args.agent}` needs none")
    flags = ("-r",) if args.read_only else ()
    inside = os.environ.get("TMUX", "").rsplit(",", 2)[0]
    if inside and os.path.realpath(inside) == os.path.realpath(server.socket_path(os.environ)):
        words = ("switch-client", *flags, "-t", session.pane)
    else:
        words = ("attach-session", *flags, "-t", session.pane)
    argv = server.argv(*words)
    program = LocalHost().which(argv[0])
    if program is None:
        raise Unavailable("tmux is not installed, or not in PATH")
    environment = {name: value for name, value in os.environ.items() if name != "TMUX"}
    if words[0] == "switch-client":
        environment = dict(os.environ)
    os.execve(program, argv, environment)
