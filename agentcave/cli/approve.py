"""``agentcave approve``: say yes, once, to what an agent waits for."""

import argparse

from agentcave.cli import answers


def arguments(parser: argparse.ArgumentParser) -> None:
    answers.arguments(parser)


def run(args: argparse.Namespace) -> int:
    return answers.give(args, "approve", "approved")
