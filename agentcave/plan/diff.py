"""What is wanted against what is seen: the only place that decides."""

from collections.abc import Iterable, Iterator, Sequence

from agentcave.agents import known_adapter
from agentcave.model.desired import Desired, DesiredAgent, DesiredCave, Request
from agentcave.model.hashing import sha256_hex
from agentcave.model.observed import (
    Key,
    Observed,
    ObservedSession,
    WorkspaceRecord,
)
from agentcave.model.status import Activity
from agentcave.plan.actions import (
    Action,
    CreateWorkspace,
    RemoveWorkspace,
    ResizeSession,
    RestartSession,
    RunSetup,
    SeedContext,
    StartSession,
    StopSession,
)
from agentcave.plan.activity import past_start
from agentcave.plan.beginning import Beginning, beginning
from agentcave.plan.conditions import unmet
from agentcave.plan.digest import (
    DigestKey,
    same,
)
from agentcave.plan.drift import NO_HISTORY, drift
from agentcave.plan.order import awaited, dependencies_first, dependents, renumbered
from agentcave.plan.plan import Outcome, Plan, Step

MID_TURN = frozenset({Activity.WORKING, Activity.APPROVAL, Activity.QUESTION})
SURPLUS = "a second session of one agent; the newest stays"


def diff(desired: Desired, observed: Observed, request: Request, key: DigestKey | None) -> Plan:
    """The steps from ``observed`` to ``desired``; same input, same plan.

    Nothing is planned from what could not be read: with tmux unreachable the plan is empty and
    the caller reports why.
    """
    if observed.unreachable is not None:
        return Plan(desired.project, desired.uid, desired.file, tuple(desired.caves))
    return _Differ(desired, observed, request, key).plan()


class _Differ:
    """Collects steps; ids are handed out in order, so that ``after`` can name earlier ones."""

    def __init__(
        self, desired: Desired, observed: Observed, request: Request, key: DigestKey | None
    ) -> None:
        self.desired, self.observed, self.request, self.key = desired, observed, request, key
        self.steps: list[Step] = []
        self.notes: list[tuple[str, str]] = []
        self.starts: dict[str, list[int]] = {}
        self.stops: dict[str, list[int]] = {}
        self.blocked: set[str] = set()
        self.dependents = dependents(desired.caves)
        self.wake_at: float | None = None
        self.waiting: list[tuple[str, str]] = []

    def plan(self) -> Plan:
        ordered = dependencies_first(self.desired.caves)
        for cave in reversed(ordered):
            self._ends(cave)
        for cave in ordered:
            self._cave(cave)
        caves = list(self.desired.caves)
        if self.request.orphans:
            caves += self._orphans()
        if self.request.remove_workspaces:
            self._workspaces(name for name in self.desired.caves)
        place = {name: number for number, name in enumerate(caves)}
        steps = renumbered(sorted(self.steps, key=lambda step: place.get(step.cave, len(place))))
        project = self.desired
        return Plan(
            project.project,
            project.uid,
            project.file,
            tuple(caves),
            steps,
            tuple(self.notes),
            self.wake_at,
            tuple(self.waiting),
        )

    def _add(
        self,
        action: Action,
        cave: str,
        cause: str,
        agent: str | None = None,
        after: Iterable[int] = (),
        conditions: tuple[tuple[str, str], ...] = (),
        blocked: tuple[Outcome, str] | None = None,
    ) -> int:
        outcome, error = blocked or ("planned", None)
        number = len(self.steps) + 1
        step = Step(number, action, cave, agent, cause, tuple(after), conditions, outcome, error)
        self.steps.append(step)
        return number

    # -- what ends ---------------------------------------------------------------------------

    def _ends(self, cave: DesiredCave) -> None:
        """Stops, dependents first; ``down`` is nothing but this."""
        waiting = self.dependents.get(cave.spec.name, ())
        after = [number for name in waiting for number in self.stops.get(name, ())]
        for agent in cave.agents:
            if agent.wanted == "running" or not self._concerned(agent.key):
                continue
            for session in self.observed.sessions.get(agent.key, ()):
                number = self._stop(session, self.request.cause, after, agent.wanted == "stopped")
                self.stops.setdefault(cave.spec.name, []).append(number)

    def _orphans(self) -> list[str]:
        """Sessions that carry our stamp and are not declared; their workspaces stay."""
        gone: dict[str, list[int]] = {}
        for (cave, agent), sessions in sorted(self.observed.sessions.items()):
            if agent in self.desired.declared.get(cave, ()):
                continue
            for session in sessions:
                held = self._held(session)
                number = self._stop(session, "not in caves.yaml, workspace kept", (), False, held)
                gone.setdefault(cave, []).append(number)
        records = {
            name: seen.record
            for name, seen in sorted(self.observed.workspaces.items())
            if seen.record is not None and name not in self.desired.declared
        }
        for name, record in records.items():
            if record.on_remove == "remove-if-clean" or self.request.remove_workspaces:
                asked = self.request.remove_workspaces
                why = "--remove-workspaces" if asked else "on_remove: remove-if-clean"
                cause = f"not in caves.yaml, {why}"
                self._remove(name, record, cause, gone.setdefault(name, []))
        return [name for name in gone if name not in self.desired.caves]

    def _stop(
        self,
        session: ObservedSession,
        cause: str,
        after: Iterable[int],
        sticky: bool,
        blocked: tuple[Outcome, str] | None = None,
    ) -> int:
        stamp = session.stamp
        return self._add(
            StopSession(session, sticky), stamp.cave, cause, stamp.agent, after, blocked=blocked
        )

    def _workspaces(self, names: Iterable[str]) -> None:
        for name in names:
            seen = self.observed.workspaces.get(name)
            if seen is not None and seen.record is not None and seen.record.type != "directory":
                cause = "--remove-workspaces"
                self._remove(name, seen.record, cause, self.stops.get(name, ()))

    def _remove(self, name: str, record: WorkspaceRecord, cause: str, after: Iterable[int]) -> None:
        obstacles = self.observed.obstacles.get(name, ())
        blocked: tuple[Outcome, str] | None = None
        if obstacles:
            blocked = ("refused", f"{record.path} holds {', '.join(obstacles)}")
        self._add(RemoveWorkspace(name, record), name, cause, after=after, blocked=blocked)

    # -- what begins -------------------------------------------------------------------------

    def _cave(self, cave: DesiredCave) -> None:
        agents = [agent for agent in cave.agents if self._lives(agent)]
        if self.request.now is not None:
            agents = self._not_waiting(cave, agents)
        if not agents:
            return
        name = cave.spec.name
        ready = self._prepare(cave)
        if ready is None:
            self.blocked.add(name)
            return
        waits, stuck = self._waits(cave)
        for agent in agents:
            conditions = cave.waits if self.request.now is None else ()
            for number in self._agent(agent, [*ready, *waits], conditions, stuck):
                self.starts.setdefault(name, []).append(number)

    def _not_waiting(self, cave: DesiredCave, agents: list[DesiredAgent]) -> list[DesiredAgent]:
        """The agents that need not wait for other caves: those that run, or all."""
        wanting = ", ".join(unmet(cave, self.desired, self.observed))
        if not wanting:
            return agents
        running = [agent for agent in agents if self._runs(agent)]
        if len(running) < len(agents):
            self.waiting.append((cave.spec.name, f"waits for {wanting}"))
        return running

    def _prepare(self, cave: DesiredCave) -> list[int] | None:
        """Steps for workspace, setup and context; None when the cave is refused."""
        name = cave.spec.name
        seen = self.observed.workspaces[name]
        if seen.problem is not None:
            action = CreateWorkspace(cave, seen.origin)
            self._add(action, name, "missing", blocked=("refused", seen.problem))
            return None
        before: list[int] = []
        created = not seen.exists or seen.half_made
        if created:
            cause = "half made" if seen.half_made else "missing"
            before = [self._add(CreateWorkspace(cave, seen.origin), name, cause)]
        if not created:
            self._note_new_only(cave)
        if setup := self._setup(cave, created):
            before = [self._add(RunSetup(cave), name, setup, after=before)]
        context = self.observed.contexts[name]
        if context.problem is not None:
            action_ = SeedContext(cave, ())
            self._add(action_, name, "context", blocked=("refused", context.problem))
            return None
        changes = tuple(change for change in context.changes if change.action != "keep")
        for change in context.changes:
            if change.action == "keep":
                self.notes.append((name, f"{change.name} kept: {change.cause}"))
        if changes:
            cause = ", ".join(sorted({change.cause for change in changes}))
            before = [self._add(SeedContext(cave, changes), name, cause, after=before)]
        return before

    def _note_new_only(self, cave: DesiredCave) -> None:
        """What is for new workspaces only, and was added since this one was made."""
        seen, spec = self.observed.workspaces[cave.spec.name], cave.spec.workspace
        if seen.record is not None and seen.record.ready:
            new = [entry for entry in (*spec.copy, *spec.link) if entry not in seen.record.placed]
            if new:
                text = f"{', '.join(new)}: copied and linked into new workspaces only"
                self.notes.append((cave.spec.name, text))

    def _setup(self, cave: DesiredCave, created: bool) -> str | None:
        if not cave.spec.setup:
            return None
        record = self.observed.workspaces[cave.spec.name].record
        if created or record is None or record.setup is None:
            return "new workspace"
        if self.request.setup:
            return "restart --setup"
        if record.setup != setup_fingerprint(cave.spec.setup):
            self.notes.append((cave.spec.name, "setup changed: `restart --setup` runs it again"))
        return None

    def _waits(self, cave: DesiredCave) -> tuple[list[int], str | None]:
        """Steps that the cave's dependencies still need, or why they cannot be had."""
        numbers: list[int] = []
        for name in awaited(cave):
            if name in self.blocked:
                return [], f"it depends on {name}, which is refused"
            numbers += self.starts.get(name, ())
        return numbers, None

    def _agent(
        self,
        agent: DesiredAgent,
        after: Sequence[int],
        conditions: tuple[tuple[str, str], ...],
        stuck: str | None,
    ) -> Iterator[int]:
        sessions = self.observed.sessions.get(agent.key, ())
        after = [*after, *(self._stop(one, SURPLUS, (), False) for one in sessions[:-1])]
        current = sessions[-1] if sessions else None
        blocked: tuple[Outcome, str] | None = ("refused", stuck) if stuck else None
        cave, name = agent.key
        if current is not None and not current.dead:
            yield from self._running(agent, current, after)
        elif begins := self._beginning(agent, current):
            fresh, talk = self._conversation(agent)
            action = StartSession(agent, current, fresh, begins.streak)
            cause = f"{begins.cause}{talk}"
            yield self._add(action, cave, cause, name, after, conditions, blocked)
            if blocked:
                self.blocked.add(cave)

    def _lives(self, agent: DesiredAgent) -> bool:
        """Whether the agent runs or is to run: not the stopped, nor the completed."""
        if agent.wanted != "running" or not self._concerned(agent.key):
            return False
        current = self.observed.sessions.get(agent.key, ())[-1:]
        return self._runs(agent) or self._beginning(agent, *(current or (None,))) is not None

    def _runs(self, agent: DesiredAgent) -> bool:
        current = self.observed.sessions.get(agent.key, ())[-1:]
        return bool(current) and not current[0].dead

    def _beginning(self, agent: DesiredAgent, dead: ObservedSession | None) -> Beginning | None:
        """Why and how it starts in this pass; one that starts later is looked at again then."""
        past = self.observed.history.get(agent.key, NO_HISTORY)
        begins = beginning(agent, dead, past, self.request)
        if begins is None or begins.at is None:
            return begins
        self.wake_at = min(self.wake_at or begins.at, begins.at)
        return None

    def _running(
        self, agent: DesiredAgent, session: ObservedSession, after: Sequence[int]
    ) -> Iterator[int]:
        cave, name = agent.key
        cause = self._drift(agent, session)
        asked = agent.key in self.request.restart
        if asked or (cause is not None and self.request.drifted):
            held = None if asked else self._held(session)
            fresh, talk = self._conversation(agent)
            why = f"{self.request.cause}, and {cause}" if asked and cause else cause
            why = why or self.request.cause
            action = RestartSession(agent, session, fresh)
            step = self._add(action, cave, why + talk, name, after, blocked=held)
            if not held:  # who waits for a held session has what it waits for: it runs
                yield step
        elif self._size_changed(agent):
            yield self._add(ResizeSession(agent, session), cave, "size changed", name)

    def _drift(self, agent: DesiredAgent, session: ObservedSession) -> str | None:
        if agent.digest is None or same(agent.digest, session.stamp.digest):
            return None
        fields = ", ".join(drift(self.desired, agent, self.observed, self.key))
        return f"{fields} changed"

    def _conversation(self, agent: DesiredAgent) -> tuple[bool, str]:
        """Whether a start begins a new conversation, and how to say so."""
        past = self.observed.history.get(agent.key, NO_HISTORY)
        if not known_adapter(agent.spec.type).CONVERSES or past.conversation is None:
            return self.request.fresh or agent.spec.resume == "never", ""
        if self.request.fresh:
            return True, ", new conversation"
        if agent.spec.resume == "never":
            return True, ", new conversation (resume: never)"
        if why := self.observed.unresumable.get(agent.key):
            self.notes.append((agent.cave, f"{agent.spec.name}: new conversation: {why}"))
            return True, f", new conversation: {why}"
        return False, ", conversation resumed"

    def _size_changed(self, agent: DesiredAgent) -> bool:
        known = self.observed.history.get(agent.key, NO_HISTORY).size
        return known is not None and known != size_text(agent.spec.size)

    def _held(self, session: ObservedSession) -> tuple[Outcome, str] | None:
        if self.request.force or session.dead:
            return None
        if session.attached:
            return "held", "somebody is attached to it; `--force` does it all the same"
        judged = self.observed.judged.get(session.stamp.session)
        if judged is not None and judged.activity in MID_TURN and past_start(judged):
            return "held", f"it is mid-turn ({judged.activity}); `--force` does it all the same"
        return None

    def _concerned(self, key: Key) -> bool:
        return self.request.only is None or key in self.request.only


def size_text(size: tuple[int, int]) -> str:
    return f"{size[0]}x{size[1]}"


def setup_fingerprint(setup: tuple[tuple[str, ...], ...]) -> str:
    return sha256_hex(repr(setup).encode())[:16]
