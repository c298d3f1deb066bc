"""The project's lock, as commands take it."""

import argparse
from contextlib import AbstractContextManager

from agentcave.cli.terminal import say
from agentcave.config.durations import seconds
from agentcave.errors import UsageError
from agentcave.reconcile.lock import ProjectLock, project_lock


def add_timeout(parser: argparse.ArgumentParser, default: str = "10m") -> None:
    parser.add_argument(
        "--timeout",
        default=default,
        metavar="D",
        help=f"bound on waiting, such as 90s (default {default})",
    )


def timeout_of(args: argparse.Namespace) -> float:
    try:
        return seconds(args.timeout)
    except ValueError as exc:
        raise UsageError(f"--timeout {args.timeout}: {exc}", "write it as 500ms, 90s, 5m") from exc


def locked(args: argparse.Namespace, folder: str) -> AbstractContextManager[ProjectLock]:
    """Hold the lock of the project whose history lies in ``folder``; says whom it waits for."""
    return project_lock(
        folder, args.verb, timeout_of(args), lambda holder: say(args, f"waiting for {holder} …")
    )
