"""A plan while it is made."""

from collections.abc import Iterable

from agentcave.model.desired import Desired, Request
from agentcave.model.observed import Key, Observed, ObservedSession
from agentcave.model.status import Activity
from agentcave.plan.actions import (
    Action,
    ResizeSession,
    RestartSession,
    StartSession,
    StopSession,
)
from agentcave.plan.activity import past_start
from agentcave.plan.order import renumbered
from agentcave.plan.plan import Outcome, Plan, Step

MID_TURN = frozenset({Activity.WORKING, Activity.APPROVAL, Activity.QUESTION})
Blocked = tuple[Outcome, str]
"""That a step is refused or held, and why."""


class Draft:
    """Collects steps; ids are handed out in order, so that ``after`` can name earlier ones."""

    def __init__(self, desired: Desired, observed: Observed, request: Request) -> None:
        self.desired, self.observed, self.request = desired, observed, request
        self.waiting: list[tuple[str, str]] = []
        self._notes: list[tuple[str, str]] = []
        self._steps: list[Step] = []
        self._wake_at: float | None = None

    def add(
        self,
        action: Action,
        cave: str,
        cause: str,
        agent: str | None = None,
        after: Iterable[int] = (),
        conditions: tuple[tuple[str, str], ...] = (),
        blocked: Blocked | None = None,
    ) -> int:
        outcome, error = _unread(action) or blocked or ("planned", None)
        number = len(self._steps) + 1
        step = Step(number, action, cave, agent, cause, tuple(after), conditions, outcome, error)
        self._steps.append(step)
        return number

    def stop(
        self,
        session: ObservedSession,
        cause: str,
        after: Iterable[int] = (),
        *,
        sticky: bool = False,
        blocked: Blocked | None = None,
    ) -> int:
        cave, agent = session.stamp.key
        return self.add(StopSession(session, sticky), cave, cause, agent, after, blocked=blocked)

    def note(self, cave: str, text: str) -> None:
        """Something to say, and nothing to do."""
        self._notes.append((cave, text))

    def wake(self, at: float) -> None:
        """A controller is to look again then."""
        self._wake_at = min(self._wake_at or at, at)

    def concerns(self, key: Key) -> bool:
        return self.request.only is None or key in self.request.only

    def held(self, session: ObservedSession) -> Blocked | None:
        """Why a live session is not to be ended now."""
        if self.request.force or session.dead:
            return None
        if session.attached:
            return "held", "somebody is attached to it; `--force` does it all the same"
        judged = self.observed.judged.get(session.stamp.session)
        if judged is not None and judged.activity in MID_TURN and past_start(judged):
            return "held", f"it is mid-turn ({judged.activity}); `--force` does it all the same"
        return None

    def finished(self, caves: Iterable[str]) -> Plan:
        """The steps, cave by cave in this order."""
        named = tuple(caves)
        place = {name: number for number, name in enumerate(named)}
        steps = sorted(self._steps, key=lambda step: place.get(step.cave, len(place)))
        return Plan(
            self.desired.project,
            self.desired.uid,
            self.desired.file,
            named,
            renumbered(steps),
            tuple(self._notes),
            self._wake_at,
            tuple(self.waiting),
        )


def _unread(action: Action) -> Blocked | None:
    """Why nothing is done to a session of which tmux told something that was not understood."""
    match action:
        case (
            StopSession(session)
            | ResizeSession(_, session)
            | RestartSession(_, session)
            | StartSession(_, ObservedSession() as session)
        ) if session.unread:
            return "refused", session.unread
    return None
