"""``agentcave up``: converge, once or for as long as it is watched."""

import argparse
import os

from agentcave.cli.locate import Located, begin_reading, locate, require
from agentcave.cli.locking import add_timeout, locked
from agentcave.hosts import existing_folder, project_folder, state_root


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("caves", nargs="*", metavar="CAVE", help="these and what they depend on")
    parser.add_argument("--dry-run", action="store_true", help="the same as `plan`")
    parser.add_argument("--wait", action="store_true", help="until the agents are ready")
    parser.add_argument(
        "--wait-for", choices=("started", "ready", "completed"), help="until they are that"
    )
    parser.add_argument("--watch", action="store_true", help="stay, and keep it as declared")
    parser.add_argument(
        "--detach", action="store_true", help="with --watch: in a tmux session of its own"
    )
    parser.add_argument("--force", action="store_true", help="restart attached agents too")
    parser.add_argument("--no-deps", action="store_true", help="leave dependencies alone")
    parser.add_argument("--json", action="store_true")
    add_timeout(parser)


def run(args: argparse.Namespace) -> int:
    if args.dry_run:
        from agentcave.cli import plan

        return plan.run(args)
    located = require(locate(args, changes=True))
    if args.watch or args.detach:
        from agentcave.cli import watch

        return watch.run(args, located)
    folder = existing_folder(state_root(os.environ), located.uid) or _made(located)
    with locked(args, folder) as lock:
        reading = begin_reading(args)
        from agentcave.cli.upping import up  # loaded while tmux answers

        return up(args, located, lock, reading)


def _made(located: Located) -> str:
    """The folder of a project that never ran; its name is in the file."""
    from agentcave.cli.project import load

    document = load(located)
    return project_folder(state_root(os.environ), document.name, document.uid)
