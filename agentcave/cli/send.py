"""``agentcave send``: a prompt, pasted whole, then Enter."""

import argparse
import os
import sys

from agentcave.cli import project as projects
from agentcave.cli.target import target
from agentcave.errors import CaveError, UsageError
from agentcave.model.observed import ObservedSession


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="CAVE[/AGENT]")
    parser.add_argument("text", metavar="TEXT", help="the prompt; - reads it from stdin")
    parser.add_argument("--no-enter", action="store_true", help="paste it, press nothing")


def run(args: argparse.Namespace) -> int:
    text = sys.stdin.buffer.read().decode("utf-8", "replace") if args.text == "-" else args.text
    if not text.strip():
        raise UsageError("there is no text to send", "give it as an argument, or - for stdin")
    _, key, session = target(args, args.agent)
    name = "/".join(key)
    if session is None:
        raise CaveError(f"not-delivered: {name} does not run", "`agentcave ps` tells why")
    import anyio

    anyio.run(_send, projects.server(args).socket, session, text, not args.no_enter)
    print(f"sent to {name}")
    return 0


async def _send(socket: str, session: ObservedSession, text: str, enter: bool) -> None:
    from agentcave.sessions import TmuxSessionManager

    async with TmuxSessionManager(socket, environ=os.environ) as sessions:
        live = await sessions.get_session(session.stamp.session)
        await live.send_input(text, enter=enter)
