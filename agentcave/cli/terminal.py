"""What the terminal can do, and talking to it."""

import argparse
import os
import sys

from agentcave.report.text import plain


def colored(args: argparse.Namespace) -> bool:
    """Whether results may hold colours: asked for, or on a terminal that wants them."""
    if args.color != "auto" or getattr(args, "json", False):
        return args.color == "always" and not getattr(args, "json", False)
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM", "dumb") == "dumb"
    return not plain and sys.stdout.isatty()


def say(args: argparse.Namespace, text: str) -> None:
    """Talk, to stderr."""
    if not args.quiet:
        print(plain(text), file=sys.stderr)


def can_ask() -> bool:
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()


def confirmed(question: str) -> bool:
    print(f"{plain(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def number(text: str) -> int:
    """The type of an option that counts something."""
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text} is no whole number from 0 on")
    return int(text)
