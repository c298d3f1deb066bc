"""A controller in a tmux session of its own: it outlives the terminal and the login."""

import argparse
import os
import sys
import time

import anyio

from agentcave import config
from agentcave.cli import project as projects
from agentcave.cli.converge import timeout_of
from agentcave.cli.terminal import say
from agentcave.errors import Busy, CaveError, DeadlineExceeded
from agentcave.model.names import session_name
from agentcave.reconcile.controllers import NAME, controller_of
from agentcave.sessions import SessionOptions, TmuxSessionManager
from agentcave.tmux import lent_names

LOOK = 0.05


def is_detached() -> bool:
    """Whether we are such a controller: its session belongs to no cave."""
    return os.environ.get("AGENTCAVE_AGENT") == NAME and not os.environ.get("AGENTCAVE_CAVE")


def detach(
    args: argparse.Namespace, located: projects.Located, document: config.Document, folder: str
) -> int:
    """Start one, and return once its first pass is done."""
    if other := controller_of(folder):
        raise Busy(
            f"a controller (pid {other.pid}) keeps this project as declared",
            "`agentcave down` ends it",
        )
    anyio.run(_start, args, located, document, folder)
    say(args, f"{document.name} is kept as declared; `agentcave ps` shows how it is")
    return 0


async def _start(
    args: argparse.Namespace, located: projects.Located, document: config.Document, folder: str
) -> None:
    server = projects.server(args)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TMUX", "AGENTCAVE_"))}
    reading = projects.begin_reading(args)
    reading.sessions()
    names = None if reading.server_pid else lent_names(os.environ)
    async with TmuxSessionManager(server.socket, server_names=names) as sessions:
        session = await sessions.create_session(
            SessionOptions(
                project=document.name,
                cave="",
                agent=NAME,
                argv=_argv(args, located, server.handed(os.environ)),
                cwd=os.getcwd(),
                environment=environment,
                uid=document.uid,
                file=document.file,
                type=NAME,
            )
        )
        await session.start()
        deadline = time.monotonic() + timeout_of(args)
        while not ((ours := controller_of(folder)) and ours.watching):
            if (await session.status()).pid is None:
                said = (await session.get_output()).strip()
                await sessions.remove_session(session.id)
                raise CaveError(f"the controller ended at once:\n{said}")
            if ours and ours.problem:
                raise CaveError(
                    f"the controller (pid {ours.pid}) runs, and cannot keep {document.name} as "
                    f"declared: {ours.problem}",
                    "it tries again by itself; `agentcave ps` shows how it is, `down` ends it",
                )
            if time.monotonic() >= deadline:
                name = session_name(document.name, "", NAME)
                raise DeadlineExceeded(
                    f"{name} was not done with its first pass within {args.timeout}"
                )
            await anyio.sleep(LOOK)


def _argv(args: argparse.Namespace, located: projects.Located, socket: str) -> list[str]:
    """The same command in a program of its own; a file found by search is found again."""
    words = [sys.executable, "-P", "-m", "agentcave", "up", "--watch", "--json"]
    words += ["--socket", socket]
    for file in () if located.found else located.files:
        words += ["--file", file]
    for profile in args.profile:
        words += ["--profile", profile]
    flags = {"--force": args.force, "--no-deps": args.no_deps}
    return [*words, *(flag for flag, given in flags.items() if given), "--", *args.caves]
