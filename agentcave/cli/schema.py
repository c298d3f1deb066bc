"""``agentcave schema``: the JSON Schema of caves.yaml."""

import argparse

from agentcave import config


def arguments(parser: argparse.ArgumentParser) -> None:
    pass


def run(args: argparse.Namespace) -> int:
    print(config.schema_text(), end="")
    return 0
