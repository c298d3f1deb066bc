"""What became of a plan, for people."""

from collections.abc import Iterable, Sequence

from agentcave.apply.events import Event
from agentcave.plan.actions import RemoveWorkspace, SeedContext, StopSession
from agentcave.plan.plan import Plan, Sign, Step, count
from agentcave.report.plan import describe
from agentcave.report.text import counted, plain

DONE_WORDS: tuple[tuple[Sign, str], ...] = (
    ("create", "started"),
    ("restart", "restarted"),
    ("update", "updated"),
    ("remove", "stopped"),
    ("refuse", "refused"),
    ("hold", "held"),
    ("keep", "unchanged"),
)


def render_outcome(plan: Plan, events: Sequence[Event]) -> str:
    """One line; what failed is counted apart, since its cave has not become what its sign says."""
    failed = {event.step.cave for event in events if event.result in ("failed", "skipped")}
    done = [e.step for e in events if e.step.cave not in failed and not _is_kept(e)]
    removed = {e.step.cave for e in events if _is_removal(e.step) and e.result == "done"}
    signs = [(step.cave, step.sign) for step in done if step.cave not in removed]
    signs += [(step.cave, step.sign) for step in done if isinstance(step.action, StopSession)]
    left = removed - {cave for cave, _ in signs}
    counts = count((cave for cave in plan.caves if cave not in failed | left), signs)
    parts = [f"{counts[sign]} {word}" for sign, word in DONE_WORDS if counts[sign]]
    if removed:
        parts.append(f"{counted(len(removed), 'workspace')} removed")
    if failed:
        parts.append(f"{len(failed)} failed")
    return f"{plan.project}: {', '.join(parts) or 'nothing declared'}"


def failures(events: Iterable[Event], file: str) -> list[str]:
    """A line for each step that was not done, with the reason."""
    return [
        f"{step.cave}: {describe(step, file)} {event.result}: {plain(event.error or '')}"
        for event in events
        if event.result != "done" and (step := event.step)
    ]


def notes(plan: Plan, events: Iterable[Event]) -> list[tuple[str, str]]:
    """What is said of each cave beside what was done."""
    return [*plan.notes, *((event.step.cave, event.note) for event in events if event.note)]


def _is_kept(event: Event) -> bool:
    """Whether nothing was written, since the agent has edited all that was to be."""
    action = event.step.action
    return isinstance(action, SeedContext) and len(action.changes) == len(event.kept) > 0


def _is_removal(step: Step) -> bool:
    return isinstance(step.action, RemoveWorkspace)
