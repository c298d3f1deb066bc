"""``agentcave config``: the file, checked and resolved."""

import argparse

from agentcave import config
from agentcave.cli import project as projects
from agentcave.cli.terminal import say
from agentcave.report.json import dumps


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", dest="check", action="store_true", help="only check it")
    parser.add_argument("--resolve", action="store_true", help="fill in ${…} and every default")
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    located = projects.require(projects.locate(args))
    document = projects.load(located)
    chosen = config.select(document, (), profiles=args.profile)
    spec = projects.resolve(document, chosen)
    for warning in spec.warnings:
        say(args, f"warning: {warning}")
    if args.check:
        return 0
    shown = config.render(spec if args.resolve else document)
    if args.json:
        print(dumps(shown))
    else:
        import yaml

        print(yaml.safe_dump(shown, sort_keys=False, allow_unicode=False), end="")
    return 0
