"""What is to run: agents that start, restart or get another size, and what they wait for."""

from collections.abc import Iterable, Iterator, Sequence

from agentcave.agents import known_adapter
from agentcave.model.desired import DesiredAgent, DesiredCave
from agentcave.model.observed import ObservedSession
from agentcave.plan.actions import Action, ResizeSession, RestartSession, StartSession
from agentcave.plan.beginning import Beginning, beginning
from agentcave.plan.conditions import unmet
from agentcave.plan.digest import DigestKey
from agentcave.plan.draft import Blocked, Draft
from agentcave.plan.drift import NO_HISTORY, drift, drift_text
from agentcave.plan.order import awaited
from agentcave.plan.places import prepared

SURPLUS = "a second session of one agent; the newest stays"


class Runs:
    def __init__(self, draft: Draft, key: DigestKey | None) -> None:
        self._draft, self._key = draft, key
        self._starts: dict[str, list[int]] = {}
        self._refused: set[str] = set()

    def cave(self, cave: DesiredCave) -> None:
        """The steps of one cave; those that it depends on come before."""
        name, once = cave.spec.name, self._draft.request.now is None
        agents = [agent for agent in cave.agents if self._lives(agent)]
        if not once:
            agents = self._not_waiting(cave, agents)
        if not agents:
            return
        if missing := [agent for agent in agents if agent.key in self._draft.observed.missing]:
            self._refuse(missing)
            return
        ready = prepared(self._draft, cave)
        if ready is None:
            self._refused.add(name)
            return
        waits, stuck = self._waits(cave)
        for agent in agents:
            conditions = cave.waits if once else ()
            for number in self._agent(agent, [*ready, *waits], conditions, stuck):
                self._starts.setdefault(name, []).append(number)

    def _refuse(self, missing: Iterable[DesiredAgent]) -> None:
        """Nothing is done in a cave of which an agent cannot start."""
        draft = self._draft
        for agent in missing:
            self._refused.add(agent.cave)
            session = self._current(agent)
            blocked: Blocked = ("refused", draft.observed.missing[agent.key])
            if session is None or session.dead:
                action: Action = StartSession(agent, session)
                cause = "not running"
            else:
                action, cause = RestartSession(agent, session), draft.request.cause
            draft.add(action, agent.cave, cause, agent.spec.name, blocked=blocked)

    def _not_waiting(self, cave: DesiredCave, agents: list[DesiredAgent]) -> list[DesiredAgent]:
        """The agents that need not wait for other caves: those that run, or all."""
        wanting = ", ".join(unmet(cave, self._draft.desired, self._draft.observed))
        if not wanting:
            return agents
        running = [agent for agent in agents if self._runs(agent)]
        if len(running) < len(agents):
            self._draft.waiting.append((cave.spec.name, f"waits for {wanting}"))
        return running

    def _waits(self, cave: DesiredCave) -> tuple[list[int], Blocked | None]:
        """Steps that the cave's dependencies still need, or why they cannot be had."""
        numbers: list[int] = []
        for name in awaited(cave):
            if name in self._refused:
                return [], ("refused", f"it depends on {name}, which is refused")
            numbers += self._starts.get(name, ())
        return numbers, None

    def _agent(
        self,
        agent: DesiredAgent,
        after: Sequence[int],
        conditions: tuple[tuple[str, str], ...],
        stuck: Blocked | None,
    ) -> Iterator[int]:
        """The numbers of the steps that others wait for."""
        draft, (cave, name) = self._draft, agent.key
        sessions = draft.observed.sessions.get(agent.key, ())
        after = [*after, *(draft.stop(one, SURPLUS) for one in sessions[:-1])]
        current = sessions[-1] if sessions else None
        if current is not None and current.unread:
            draft.add(StartSession(agent, current), cave, "it may run or not", name)
            self._refused.add(cave)
        elif current is not None and not current.dead:
            yield from self._running(agent, current, after)
        elif begins := self._beginning(agent, current):
            fresh, talk = self._conversation(agent)
            action = StartSession(agent, current, fresh, begins.streak)
            yield draft.add(action, cave, begins.cause + talk, name, after, conditions, stuck)
            if stuck:
                self._refused.add(cave)

    def _lives(self, agent: DesiredAgent) -> bool:
        """Whether the agent runs or is to run: not the stopped, nor the completed."""
        if agent.wanted != "running" or not self._draft.concerns(agent.key):
            return False
        return self._runs(agent) or self._beginning(agent, self._current(agent)) is not None

    def _runs(self, agent: DesiredAgent) -> bool:
        current = self._current(agent)
        return current is not None and not current.dead

    def _current(self, agent: DesiredAgent) -> ObservedSession | None:
        sessions = self._draft.observed.sessions.get(agent.key, ())
        return sessions[-1] if sessions else None

    def _beginning(self, agent: DesiredAgent, dead: ObservedSession | None) -> Beginning | None:
        """Why and how it starts in this pass; one that starts later is looked at again then."""
        past = self._draft.observed.history.get(agent.key, NO_HISTORY)
        begins = beginning(agent, dead, past, self._draft.request)
        if begins is None or begins.at is None:
            return begins
        self._draft.wake(begins.at)
        return None

    def _running(
        self, agent: DesiredAgent, session: ObservedSession, after: Sequence[int]
    ) -> Iterator[int]:
        draft, (cave, name) = self._draft, agent.key
        changed = drift(draft.desired, agent, session, draft.observed, self._key)
        cause = drift_text(session, changed) if changed else None
        asked = agent.key in draft.request.restart
        if asked or (cause is not None and draft.request.drifted):
            held = None if asked else draft.held(session)
            fresh, talk = self._conversation(agent)
            why = f"{draft.request.cause}, and {cause}" if asked and cause else cause
            why = (why or draft.request.cause) + talk
            action = RestartSession(agent, session, fresh)
            step = draft.add(action, cave, why, name, after, blocked=held)
            if not held:  # who waits for a held session has what it waits for: it runs
                yield step
        elif self._size_changed(agent):
            yield draft.add(ResizeSession(agent, session), cave, "size changed", name)

    def _conversation(self, agent: DesiredAgent) -> tuple[bool, str]:
        """Whether a start begins a new conversation, and how to say so."""
        draft = self._draft
        past = draft.observed.history.get(agent.key, NO_HISTORY)
        if not known_adapter(agent.spec.type).CONVERSES or past.conversation is None:
            return draft.request.fresh or agent.spec.resume == "never", ""
        if draft.request.fresh:
            return True, ", new conversation"
        if agent.spec.resume == "never":
            return True, ", new conversation (resume: never)"
        if why := draft.observed.unresumable.get(agent.key):
            draft.note(agent.cave, f"{agent.spec.name}: new conversation: {why}")
            return True, f", new conversation: {why}"
        return False, ", conversation resumed"

    def _size_changed(self, agent: DesiredAgent) -> bool:
        known = self._draft.observed.history.get(agent.key, NO_HISTORY).size
        return known is not None and known != size_text(agent.spec.size)


def size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"
