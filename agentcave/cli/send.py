"""``agentcave send``: a prompt, delivered whole, once, or said not to be."""

import argparse
import sys
from functools import partial

from agentcave.cli.locking import add_timeout, timeout_of
from agentcave.cli.target import talk
from agentcave.errors import CaveError, UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="CAVE[/AGENT]")
    parser.add_argument("text", metavar="TEXT", help="the prompt; - reads it from stdin")
    parser.add_argument("--no-enter", action="store_true", help="paste it, press nothing")
    parser.add_argument("--wait", action="store_true", help="wait until the agent is idle")
    parser.add_argument("--answer", action="store_true", help="type it even into a question")
    add_timeout(parser, "60s")


def run(args: argparse.Namespace) -> int:
    from agentcave.sessions.delivery import NotDelivered, Unconfirmed, Wish, deliver

    text = sys.stdin.buffer.read().decode("utf-8", "replace") if args.text == "-" else args.text
    if not text.strip():
        raise UsageError("there is no text to send", "give it as an argument, or - for stdin")
    wish = Wish(not args.no_enter, args.answer, args.wait, timeout_of(args))
    try:
        name, done = talk(args, args.agent, partial(deliver, text=text, wish=wish))
    except (NotDelivered, Unconfirmed):
        raise
    except CaveError as exc:
        if exc.exit_code != CaveError.exit_code:
            raise
        raise NotDelivered(exc.message, exc.hint) from exc
    print(f"{done.verdict} to {name}" + (f" ({done.reason})" if done.reason else ""))
    return 0
