"""``agentcave deny``: say no to what an agent waits for, or asks."""

import argparse

from agentcave.cli import answers


def arguments(parser: argparse.ArgumentParser) -> None:
    answers.arguments(parser)


def run(args: argparse.Namespace) -> int:
    return answers.give(args, "deny", "denied")
