"""What ``approve``, ``deny`` and ``answer`` share."""

import argparse
from functools import partial

from agentcave.agents import Answer
from agentcave.cli.target import talk
from agentcave.errors import UsageError
from agentcave.report.text import one_line


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("agent", metavar="CAVE[/AGENT]")
    parser.add_argument(
        "--dialog", metavar="ID", help="only this one, as `ps --json` and `status` name it"
    )


def give(args: argparse.Namespace, answer: Answer, done: str, text: str = "") -> int:
    from agentcave.sessions.answering import give as give_answer

    if answer == "answer" and (not text.strip() or not text.isprintable()):
        raise UsageError("an answer is one line of plain text", "`agentcave attach` takes any")
    give_it = partial(give_answer, answer=answer, text=text, expected=args.dialog)
    name, dialog = talk(args, args.agent, give_it)
    print(f"{done} {name}: {one_line(dialog.text)}")
    return 0
