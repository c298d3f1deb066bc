"""The plan as people read it."""

import os

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
from agentcave.plan.plan import RANK, SHOWN, Plan, Sign, Step
from agentcave.report.text import counted, one_line, paint

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
MADE = (CreateWorkspace, SeedContext)
"""Of what is made because it is missing, that goes without saying."""


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


def describe(step: Step, file: str) -> str:
    """What a step does, in the imperative."""
    match step.action:
        case CreateWorkspace(cave, origin):
            spec = cave.spec.workspace
            where = _relative(spec.path, file)
            branch = f" on {spec.branch}" if spec.branch else ""
            start = f" from {origin}" if origin else ""
            copied = f", copy {', '.join(spec.copy)}" if spec.copy else ""
            linked = f", link {', '.join(spec.link)}" if spec.link else ""
            return f"create {spec.type} {where}{branch}{start}{copied}{linked}"
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
        case "refused" if isinstance(step.action, CreateWorkspace):
            return f"refused: {one_line(step.error or '')}"
        case "refused":
            return f"{what}  refused: {one_line(step.error or '')}"
        case "held":
            return f"{what}  held: {one_line(step.error or '')}"
        case _ if step.cause == "missing" and isinstance(step.action, MADE):
            return what
        case _:
            return f"{what:<{CAUSE_COLUMN - 1}} {one_line(step.cause)}"


def _sign(plan: Plan, step: Step) -> Sign:
    """The sign of a cave's first line: that of the worst of its steps."""
    return min((s.sign for s in plan.steps if s.cave == step.cave), key=RANK.index)


def _relative(path: str, file: str) -> str:
    folder = os.path.dirname(file)
    return os.path.relpath(path, folder) if path.startswith(os.path.dirname(folder)) else path
