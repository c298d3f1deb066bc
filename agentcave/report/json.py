"""The JSON of CONTRACT §4; additive only."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from agentcave.plan.plan import Plan, Step

if TYPE_CHECKING:
    from agentcave.apply.events import Event


def plan_json(plan: Plan) -> str:
    steps = [_step(step, step.outcome, step.error) for step in plan.steps]
    return _document(plan, steps, plan.notes)


def outcome_json(plan: Plan, events: "Sequence[Event]") -> str:
    from agentcave.report.outcome import notes

    steps = [_step(event.step, event.result, event.error) for event in events]
    return _document(plan, steps, notes(plan, events))


def dumps(value: Any) -> str:
    """Non-ASCII as escapes: nothing in it can act on a terminal, whatever the locale."""
    return json.dumps(value, indent=2)


def _document(plan: Plan, steps: list[dict[str, Any]], notes: Sequence[tuple[str, str]]) -> str:
    return dumps(
        {
            "project": plan.project,
            "uid": plan.uid,
            "file": plan.file,
            "steps": steps,
            "summary": plan.summary(),
            "notes": [{"cave": cave, "note": note} for cave, note in notes],
        }
    )


def _step(step: Step, outcome: str, error: str | None) -> dict[str, Any]:
    return {
        "id": step.id,
        "action": step.verb,
        "cave": step.cave,
        "agent": step.agent,
        "cause": step.cause,
        "after": list(step.after),
        "outcome": outcome,
        "error": error,
    }
