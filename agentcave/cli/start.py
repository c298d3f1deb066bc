"""``agentcave start``: start stopped, completed or failed agents."""

import argparse

from agentcave.cli import agents

arguments = agents.arguments


def run(args: argparse.Namespace) -> int:
    return agents.begin(args, restart=False)
