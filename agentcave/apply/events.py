"""What happened to a step."""

from typing import Any, Literal, NamedTuple

from agentcave.plan.plan import Step

Result = Literal["waiting", "started", "done", "failed", "skipped", "refused", "held"]
PASSING: frozenset[Result] = frozenset({"waiting", "started"})
"""After these, another one follows."""


class Event(NamedTuple):
    """``at`` is seconds since the epoch, ``seconds`` how long the step took."""

    at: float
    step: Step
    result: Result
    error: str | None = None
    seconds: float = 0.0

    def record(self) -> dict[str, Any]:
        """For the history: constant keys, nothing of a prompt, a value or a screen."""
        return {
            "at": round(self.at, 3),
            "action": self.step.verb,
            "cave": self.step.cave,
            "agent": self.step.agent,
            "cause": self.step.cause,
            "outcome": self.result,
            "error": self.error,
            "duration_ms": round(self.seconds * 1000),
        }
