"""The plan as data: steps with a cause, the steps they wait for, and a text for people."""

from collections.abc import Iterable
from typing import Literal, NamedTuple

from agentcave.plan.actions import VERBS, Action

Outcome = Literal["planned", "refused", "held"]
Sign = Literal["refuse", "hold", "remove", "restart", "create", "update", "keep"]

RANK: tuple[Sign, ...] = ("refuse", "hold", "remove", "restart", "create", "update", "keep")
SHOWN: tuple[tuple[Sign, str], ...] = (
    ("create", "to create"),
    ("restart", "to restart"),
    ("update", "to update"),
    ("remove", "to remove"),
    ("refuse", "refused"),
    ("hold", "held"),
    ("keep", "unchanged"),
)
CLASS: dict[str, Sign] = {
    "create-workspace": "create",
    "start-session": "create",
    "run-setup": "update",
    "seed-context": "update",
    "resize-session": "update",
    "restart-session": "restart",
    "stop-session": "remove",
    "remove-workspace": "remove",
}


class Step(NamedTuple):
    """``after``: ids of the steps that must have been done. ``error``: why refused or held.

    ``conditions``: caves and what each must reach first, beyond its steps being done.
    """

    id: int
    action: Action
    cave: str
    agent: str | None
    cause: str
    after: tuple[int, ...] = ()
    conditions: tuple[tuple[str, str], ...] = ()
    outcome: Outcome = "planned"
    error: str | None = None

    @property
    def verb(self) -> str:
        return VERBS[type(self.action)]

    @property
    def name(self) -> str:
        return self.cave if self.agent is None else f"{self.cave}/{self.agent}"

    @property
    def sign(self) -> Sign:
        match self.outcome:
            case "refused":
                return "refuse"
            case "held":
                return "hold"
            case _:
                return CLASS[self.verb]

    def __str__(self) -> str:
        end = "" if self.outcome == "planned" else f" [{self.outcome}: {self.error}]"
        return f"{list(self.after)} -> #{self.id} {self.verb} {self.name}, {self.cause}{end}"


class Plan(NamedTuple):
    """``caves``: every cave looked at. ``notes``: what is said and not done, by cave.

    For a controller: ``wake_at``, when to look again, in seconds since the epoch; ``waiting``, the
    caves whose dependencies are not there yet, and for what they wait.
    """

    project: str
    uid: str
    file: str
    caves: tuple[str, ...]
    steps: tuple[Step, ...] = ()
    notes: tuple[tuple[str, str], ...] = ()
    wake_at: float | None = None
    waiting: tuple[tuple[str, str], ...] = ()

    @property
    def planned(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.outcome == "planned")

    @property
    def blocked(self) -> tuple[Step, ...]:
        return tuple(step for step in self.steps if step.outcome != "planned")

    def summary(self) -> dict[str, int]:
        """Caves by class, each counted once, the worst class first."""
        return count(self.caves, ((step.cave, step.sign) for step in self.steps))

    def exit_code(self) -> int:
        """For ``--detailed-exitcode``: 1 blocked, 2 changes, 0 nothing to do."""
        return 1 if self.blocked else 2 if self.steps else 0

    def steps_text(self) -> str:
        return "\n".join(str(step) for step in self.steps)


def count(caves: Iterable[str], signs: Iterable[tuple[str, Sign]]) -> dict[str, int]:
    worst = dict.fromkeys(caves, len(RANK) - 1)
    for cave, sign in signs:
        worst[cave] = min(worst.get(cave, len(RANK)), RANK.index(sign))
    counts = dict.fromkeys(("create", "restart", "update", "remove", "refuse", "hold"), 0)
    counts["keep"] = 0
    for rank in worst.values():
        counts[RANK[rank]] += 1
    return counts
