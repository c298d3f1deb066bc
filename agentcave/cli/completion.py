"""``agentcave completion``: a completion script for a shell."""

import argparse


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"))


def run(args: argparse.Namespace) -> int:
    import shtab

    from agentcave.cli.parser import full_parser

    print(shtab.complete(full_parser(), shell=args.shell))
    return 0
