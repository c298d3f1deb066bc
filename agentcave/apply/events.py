"""What happened to a step."""

from typing import Any, Literal, NamedTuple

from agentcave.plan.plan import Step

Result = Literal["waiting", "started", "done", "failed", "skipped", "refused", "held"]
PASSING: frozenset[Result] = frozenset({"waiting", "started"})
"""After these, another one follows."""


class Event(NamedTuple):
    """``at`` is seconds since the epoch, ``seconds`` how long the step took.

    ``kept``: context files that were to be written and that the agent edited in the meantime.
    """

    at: float
    step: Step
    result: Result
    error: str | None = None
    seconds: float = 0.0
    kept: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """What is to be said of a step that was done, "" for nothing."""
        return f"{', '.join(self.kept)} kept: the agent has just edited it" if self.kept else ""

    def record(self) -> dict[str, Any]:
        """For the history: constant keys, nothing of a prompt, a value or a screen."""
        return {
            "at": round(self.at, 3),
            "action": self.step.verb,
            "cave": self.step.cave,
            "agent": self.step.agent,
            "cause": "; ".join(filter(None, (self.step.cause, self.note))),
            "outcome": self.result,
            "error": self.error,
            "duration_ms": round(self.seconds * 1000),
        }
