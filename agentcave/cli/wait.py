"""``agentcave wait``: until agents are what they are waited for to be."""

import argparse
import time

from agentcave.cli.locking import add_timeout, timeout_of
from agentcave.errors import DeadlineExceeded, UsageError
from agentcave.model.status import Activity, Phase
from agentcave.plan.activity import past_start
from agentcave.report.sessions import Row
from agentcave.report.text import one_line

TICK = 0.25
GOALS = ("ready", "idle", "attention", "completed", "stopped")


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("caves", nargs="*", metavar="CAVE[/AGENT]", help="only these; default all")
    parser.add_argument(
        "--for",
        dest="goal",
        choices=GOALS,
        default="idle",
        help="all of them; for attention, any (default idle)",
    )
    add_timeout(parser)


def run(args: argparse.Namespace) -> int:
    from agentcave.cli.listing import rows_now
    from agentcave.cli.locate import begin_reading

    deadline = time.monotonic() + timeout_of(args)
    while True:
        _, _, rows = rows_now(args, begin_reading(args), args.caves)
        if not rows:
            raise UsageError("there is nothing to wait for", "`agentcave ps` shows what there is")
        reached = [row for row in rows if _reached(row, args.goal)]
        if len(reached) == len(rows) or (reached and args.goal == "attention"):
            return _tell(args, reached, 0)
        lost = [row for row in rows if _lost(row, args.goal)]
        if lost and (args.goal != "attention" or len(lost) == len(rows)):
            return _tell(args, lost, 1)
        if time.monotonic() >= deadline:
            late = ", ".join(_said(row) for row in rows if row not in reached)
            raise DeadlineExceeded(f"not {args.goal} within {args.timeout}: {late}")
        time.sleep(TICK)


def _reached(row: Row, goal: str) -> bool:
    status = row.status
    match goal:
        case "ready":
            return status.phase is Phase.COMPLETED or _is_ready(row)
        case "idle":
            return status.phase is Phase.COMPLETED or status.activity is Activity.IDLE
        case "attention":
            return status.needs_a_person
        case "completed":
            return status.phase is Phase.COMPLETED
        case _:
            return status.phase in (Phase.STOPPED, Phase.COMPLETED, Phase.PENDING)


def _is_ready(row: Row) -> bool:
    return row.status.phase is Phase.RUNNING and past_start(row.status.judgement)


def _lost(row: Row, goal: str) -> bool:
    """Whether it can no longer be reached without somebody doing something."""
    ended = {Phase.FAILED, Phase.STOPPED, Phase.PENDING, Phase.UNREACHABLE}
    if goal == "attention":
        return row.status.phase in {*ended, Phase.COMPLETED} - {Phase.FAILED}
    if goal == "stopped":
        return row.status.phase in (Phase.FAILED, Phase.UNREACHABLE)
    return row.status.phase in ended


def _said(row: Row) -> str:
    return f"{'/'.join(row.key)} ({row.status.activity or row.status.phase})"


def _tell(args: argparse.Namespace, rows: list[Row], code: int) -> int:
    if not args.quiet:
        for row in rows:
            reason = f": {row.status.reason}" if row.status.reason else ""
            print(
                one_line(f"{'/'.join(row.key)} {row.status.activity or row.status.phase}{reason}")
            )
    return code
