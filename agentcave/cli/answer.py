"""``agentcave answer``: answer what an agent asks, by an option or in words."""

import argparse

from agentcave.cli import answers


def arguments(parser: argparse.ArgumentParser) -> None:
    answers.arguments(parser)
    parser.add_argument("text", metavar="TEXT", help="an option, its number, or words of your own")


def run(args: argparse.Namespace) -> int:
    return answers.give(args, "answer", "answered", args.text)
