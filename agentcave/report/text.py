"""Text for people: aligned, quiet, and safe to show whatever is in it."""

import os
import re
from collections.abc import Iterable, Sequence

from agentcave.plan.actions import (
    CreateWorkspace,
    RemoveWorkspace,
    ResizeSession,
    RestartSession,
    RunSetup,
    SeedContext,
    StartSession,
    StopSession,
)
from agentcave.plan.plan import SHOWN, Plan, Sign, Step

SIGNS: dict[Sign, str] = {
    "create": "  +",
    "restart": "-/+",
    "update": "  ~",
    "remove": "  -",
    "refuse": "  !",
    "hold": "  =",
    "keep": "   ",
}
COLORS: dict[Sign, str] = {
    "create": "32",
    "restart": "33",
    "update": "36",
    "remove": "31",
    "refuse": "35",
    "hold": "35",
    "keep": "0",
}
CAUSE_COLUMN = 41
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_ESCAPES = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")


def plain(text: str) -> str:
    """Text from files and agents without what would act on a terminal; newlines and tabs stay."""
    return _CONTROL.sub("", _ESCAPES.sub("", text))


def one_line(text: str) -> str:
    return " ".join(plain(text).split())


def render_plan(plan: Plan, color: bool = False) -> str:
    """The plan as in CONTRACT §4: a sign, the cave, what is done, why."""
    width = max([9, *(len(step.cave) for step in plan.steps)])
    lines = [f"{plan.project}  {os.path.basename(plan.file)}  {counted(len(plan.caves), 'cave')}"]
    shown = None
    for step in plan.steps:
        sign, cave = (" " * 3, "") if step.cave == shown else (SIGNS[_sign(plan, step)], step.cave)
        shown = step.cave
        line = f" {sign} {cave:<{width}} {_what(step, plan.file)}".rstrip()
        lines.append(paint(line, COLORS[step.sign], color))
    for cave, note in plan.notes:
        lines.append(f"     {cave:<{width}} {one_line(note)}")
    lines.append(render_summary(plan.summary()))
    return "\n".join(lines)


def render_summary(summary: dict[str, int]) -> str:
    return ", ".join(f"{summary[sign]} {words}" for sign, words in SHOWN)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color and code != "0" else text


def table(rows: Iterable[Sequence[str]], header: Sequence[str]) -> str:
    """Columns, aligned, two spaces between; the last one is as long as it likes."""
    cells = [header, *rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    )


def describe(step: Step, file: str) -> str:
    """What a step does, in the imperative."""
    match step.action:
        case CreateWorkspace(cave, origin):
            spec = cave.spec.workspace
            where = _relative(spec.path, file)
            branch = f" on {spec.branch}" if spec.branch else ""
            return f"create {spec.type} {where}{branch}" + (f" from {origin}" if origin else "")
        case RunSetup(cave):
            return f"run setup ({counted(len(cave.spec.setup), 'command')})"
        case SeedContext(_, changes):
            updates = any(change.action == "update" for change in changes)
            names = ", ".join(change.name for change in changes if change.name != ".gitignore")
            return f"{'update' if updates else 'seed'} {names or 'the Working Context'}"
        case StartSession():
            return f"start {step.agent}"
        case RestartSession():
            return f"restart {step.agent}"
        case StopSession():
            return f"stop {step.agent}"
        case ResizeSession(agent):
            return f"resize {step.agent} to {agent.spec.size[0]}x{agent.spec.size[1]}"
        case RemoveWorkspace(_, record):
            return f"remove {record.type} {_relative(record.path, file)}"


def _what(step: Step, file: str) -> str:
    what = one_line(describe(step, file))
    match step.outcome:
        case "refused":
            return f"{what}  refused: {one_line(step.error or '')}"
        case "held":
            return f"{what}  held: {one_line(step.error or '')}"
        case _:
            return f"{what:<{CAUSE_COLUMN - 1}} {one_line(step.cause)}"


def _sign(plan: Plan, step: Step) -> Sign:
    """The sign of a cave's first line: that of the worst of its steps."""
    from agentcave.plan.plan import RANK

    return min((s.sign for s in plan.steps if s.cave == step.cave), key=RANK.index)


def _relative(path: str, file: str) -> str:
    folder = os.path.dirname(file)
    return os.path.relpath(path, folder) if path.startswith(os.path.dirname(folder)) else path
