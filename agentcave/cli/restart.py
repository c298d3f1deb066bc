"""``agentcave restart``: a new process, the workspace kept, the conversation resumed."""

import argparse

from agentcave.cli import agents


def arguments(parser: argparse.ArgumentParser) -> None:
    agents.arguments(parser)
    parser.add_argument(
        "--fresh", action="store_true", help="a new conversation; the prompt is sent again"
    )
    parser.add_argument("--setup", action="store_true", help="run the setup again first")


def run(args: argparse.Namespace) -> int:
    return agents.begin(args, restart=True)
