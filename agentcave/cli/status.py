"""``agentcave status``: what one agent does, and why it is said to."""

import argparse
import time

from agentcave.cli.locate import begin_reading
from agentcave.errors import UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="CAVE[/AGENT]")
    parser.add_argument(
        "--explain", action="store_true", help="every source, its age, and the rule that won"
    )
    parser.add_argument("--json", action="store_true")


def run(args: argparse.Namespace) -> int:
    reading = begin_reading(args)
    from agentcave.cli.listing import rows_now
    from agentcave.report.explain import explanation, explanation_json

    _, _, rows = rows_now(args, reading, [args.agent], every_screen=args.explain)
    if len({row.key for row in rows}) != 1:
        names = ", ".join("/".join(row.key) for row in rows)
        raise UsageError(f"{args.agent} means several agents", f"say which: {names}")
    if args.json:
        print(explanation_json(rows[-1]))
    else:
        print(explanation(rows[-1], time.time(), full=args.explain))
    return 0
