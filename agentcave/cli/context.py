"""``agentcave context``: the Working Context of a cave."""

import argparse

from agentcave import config, context
from agentcave.cli import project as projects
from agentcave.report.text import plain, table

SHOWN_BYTES = 1 << 20


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("cave", metavar="CAVE")
    parser.add_argument("--show", metavar="FILE", help="print one file")
    parser.add_argument("--diff", action="store_true", help="against what would be seeded now")


def run(args: argparse.Namespace) -> int:
    located = projects.require(projects.locate(args))
    document = projects.load(located)
    names = config.select(document, [args.cave], dependencies=False)
    for cave in projects.resolve(document, names).caves:
        path = cave.workspace.path
        if args.show:
            print(plain(context.show(path, args.show, SHOWN_BYTES)), end="")
        elif args.diff:
            print(plain(context.diff(path, cave)), end="")
        else:
            known = projects.state_for_reading(document.uid).seeds().get(cave.name, {})
            print(plain(f"{path}/.cave"))
            print(_listing(context.edited(path, cave, known)))
    return 0


def _listing(files: tuple[context.ContextFile, ...]) -> str:
    rows = [
        (
            plain(file.name),
            ("edited" if file.edited else "as seeded") if file.exists else "missing",
            str(file.size) if file.exists else "",
            plain(file.source),
        )
        for file in files
    ]
    return table(rows, ("FILE", "STATE", "BYTES", "SEED"))
