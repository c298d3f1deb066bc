"""The controller: the same pass again whenever something may have changed. Level-triggered.

Whatever wakes it only says "look again", and every look reads the whole world afresh. What takes
long in one cave keeps no other waiting (``flights``).
"""

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import anyio
from anyio.abc import TaskGroup

from agentcave.apply.bugs import reason_to_tell
from agentcave.apply.events import Event, Result
from agentcave.apply.perform import Hands
from agentcave.errors import CaveError
from agentcave.model.desired import Request
from agentcave.model.observed import Key
from agentcave.model.spec import ProjectSpec
from agentcave.plan.conditions import asked_ready
from agentcave.plan.plan import Plan
from agentcave.reconcile.flights import Flights, Setting
from agentcave.reconcile.lock import ProjectLock, signature
from agentcave.reconcile.observe import View
from agentcave.reconcile.once import Pass, decide, end_remains, remains, see, sweep
from agentcave.reconcile.remember import settle
from agentcave.reconcile.wakeups import Wakeups
from agentcave.sessions.panes import Reading

RESYNC = 600.0
STATS = 30.0
"""Seconds between looks at the files themselves: not every file system tells of changes."""
SOON = 1.0
"""Seconds to the next look while something is held, waited for, or may end without notice."""
GATHER = 0.01
BUSY = 0.1
CONFIRM = 0.5
"""Seconds after which a file that declares less than before is read once more and believed."""


class HistoryGone(CaveError):
    """Somebody has deleted the project's history, and our locks with it: begin anew."""


class Source(Protocol):
    """What is declared, wherever that is written."""

    def read(self) -> ProjectSpec:
        """As it is now; the same object while nothing has changed. Raises CaveError."""
        ...

    def has_changed(self) -> bool: ...

    def files(self) -> frozenset[str]:
        """The files that it is read from, whether they exist or not."""
        ...


class Loop:
    """``tell`` gets everything that happens, as an event.

    ``whole``: what left the file is removed too. ``revive``: what starts at first although it is
    complete. ``refresh``: seconds between two calls of ``looked`` for a person who looks on.
    ``seen`` is the last of its ``looks``; ``problem``, why things are not kept as declared now.
    """

    def __init__(
        self,
        setting: Setting,
        lock: ProjectLock,
        source: Source,
        tell: Callable[[Mapping[str, Any]], None],
        *,
        whole: bool = True,
        force: bool = False,
        revive: frozenset[Key] = frozenset(),
        refresh: float | None = None,
    ) -> None:
        self._setting, self._lock, self._source, self._tell = setting, lock, source, tell
        self._whole, self._force, self._revive, self._refresh = whole, force, revive, refresh
        self.spec = source.read()
        self._wakeups = Wakeups(f"{setting.state.folder}/lock")
        self._watch_files()
        self._flights = Flights(setting, tell, self._wakeups.call)
        self._locked = False
        self._unsure = False
        self._believed_at = 0.0
        self._ready: dict[Key, str] = {}
        self._blocked: dict[tuple[str, str | None, str], str | None] = {}
        self._wrong: str | None = None
        self._failed: str | None = None
        self._blind: str | None = None
        self.seen: Pass | None = None
        self.looks = 0

    @property
    def problem(self) -> str | None:
        return self._wrong or self._failed

    @property
    def is_resting(self) -> bool:
        """Whether it has looked, and nothing is on its way."""
        return self.seen is not None and not self._flights.busy

    async def run(self, looked: Callable[[], None]) -> None:
        """Keep the world as declared until cancelled. ``looked`` is called after every look."""
        try:
            async with anyio.create_task_group() as tasks:
                while True:
                    pause = await self._turn(tasks)
                    looked()
                    await self._until_due(pause, looked)
        finally:
            self._wakeups.close()

    async def _until_due(self, pause: float, looked: Callable[[], None]) -> None:
        deadline = time.monotonic() + pause
        while (left := deadline - time.monotonic()) > 0 and not self._source.has_changed():
            if await self._wakeups.wait(min(left, self._refresh or STATS)):
                break
            if self._refresh:
                looked()
        await anyio.sleep(GATHER)

    async def _turn(self, tasks: TaskGroup) -> float:
        """Look and begin what is to be done; the seconds to the next turn if nothing happens.

        Raises HistoryGone.
        """
        if self._lock.is_gone():
            raise HistoryGone(f"the project's history in {self._setting.state.folder} was deleted")
        if not self._locked and not self._lock.take():
            return BUSY  # a command works on the project
        self._locked = True
        delays = self._flights.delays
        try:
            self._lock.sign(signature("up --watch"))
            self._reload()
            self._watch_files()
            self._tell_blind()
            seen = self.seen = await self._look()
            self.looks += 1
            self._tell_blocked(seen.plan)
            self._flights.launch(tasks, seen)
        except Exception as exc:
            why = reason_to_tell(exc, self._setting.state.folder)
            self._failed = self._differs("look", why, self._failed)
            delays.failed("")
            return delays.next()
        finally:
            self._release()
        self._failed = None
        delays.succeeded("")
        return self._pause(seen)

    def _release(self) -> None:
        if not self._flights.busy:
            self._lock.give()
            self._locked = False

    def _reload(self) -> None:
        """Take over what is declared now; what is wrong, or not trusted, changes nothing."""
        try:
            spec = self._source.read()
        except CaveError as exc:
            self._wrong = self._differs("reload", str(exc), self._wrong)
            return
        if spec is not self.spec:
            if _declares_less(spec, self.spec):
                self._believed_at = time.monotonic() + CONFIRM
            self.spec = spec
            self._flights.delays.forget()
            self._note("reload", "done")
        elif self._wrong is not None:
            self._note("reload", "done")
        self._wrong = None

    def _watch_files(self) -> None:
        """Again at every turn: folders come and go."""
        spaces = (cave.workspace for cave in self.spec.caves)
        made = [space.path for space in spaces if space.type != "directory"]
        self._wakeups.watch_files(self._source.files(), made)

    def _tell_blind(self) -> None:
        if (blind := self._wakeups.blind) and blind != self._blind:
            self._note("watch", "failed", blind)
        self._blind = blind

    def _differs(self, action: str, error: str, before: str | None) -> str:
        if error != before:
            self._note(action, "failed", error)
        return error

    def _note(self, action: str, outcome: str, error: str | None = None) -> None:
        """Something that is no step of a plan."""
        at = round(self._setting.clock(), 3)
        event = {"at": at, "action": action, "cave": None, "agent": None, "cause": self.spec.file}
        self._record({**event, "outcome": outcome, "error": error, "duration_ms": 0})

    def _record(self, event: Mapping[str, Any]) -> None:
        self._tell(event)
        with contextlib.suppress(CaveError):  # of a history that is out of order it tells itself
            self._setting.state.add_events([event])

    async def _look(self) -> Pass:
        setting, now = self._setting, self._setting.clock()
        believed = time.monotonic() >= self._believed_at
        first = self.seen is None
        request = Request(
            revive=self._revive if first else frozenset(),
            force=self._force,
            orphans=self._whole and believed,
            now=now,
            anew=first,
        )
        reading = Reading(setting.host, setting.server)
        view = see(setting.host, reading, self.spec, request, setting.state, setting.key, mend=True)
        view, ends = settle(setting.host, setting.state, view, now, self._flights.busy)
        for end in ends:
            self._tell(end)
        view = await self._with_ready(view)
        self._unsure = not self._wakeups.follow(_processes(view))
        seen = decide(view, request, setting.key)
        if not self._flights.busy:
            sweep(view, setting.state)
            left = remains(seen, setting.state, setting.socket)
            await end_remains(setting.state, view.sight, left)
        return seen

    async def _with_ready(self, view: View) -> View:
        """The same view, with who is ready of those that others wait for; once is for ever."""
        observed = view.sight.observed
        asked = {agent.key: agent for agent in asked_ready(view.desired, observed)}
        live = {key: observed.sessions[key][-1].stamp.session for key in asked}
        unknown = [asked[key] for key in asked if self._ready.get(key) != live[key]]
        if unknown:
            async with self._setting.sessions(view) as sessions:
                hands = Hands(self._setting.tools(view, sessions))
                for agent in unknown:
                    if await hands.is_ready(agent):
                        self._ready[agent.key] = live[agent.key]
        ready = frozenset(key for key in asked if self._ready.get(key) == live[key])
        return view._replace(sight=view.sight._replace(observed=observed._replace(ready=ready)))

    def _tell_blocked(self, plan: Plan) -> None:
        """Tell of what is refused or held when it comes to be so, not at every look."""
        blocked = {(step.cave, step.agent, step.verb): step.error for step in plan.blocked}
        for step in plan.blocked:
            if self._blocked.get((step.cave, step.agent, step.verb)) != step.error:
                result: Result = "held" if step.outcome == "held" else "refused"
                self._record(Event(self._setting.clock(), step, result, step.error).record())
        self._blocked = blocked

    def _pause(self, seen: Pass) -> float:
        plan, pauses = seen.plan, [RESYNC, self._flights.delays.next()]
        held = any(step.outcome == "held" for step in plan.blocked)
        if held or plan.waiting or self._unsure or self._wakeups.blind:
            pauses.append(SOON)
        if plan.wake_at is not None:
            pauses.append(plan.wake_at - self._setting.clock())
        if (left := self._believed_at - time.monotonic()) > 0:
            pauses.append(left)
        return max(0.0, min(pauses))


def _declares_less(new: ProjectSpec, old: ProjectSpec) -> bool:
    return any(
        not set(agents) <= set(new.declared.get(cave, ())) for cave, agents in old.declared.items()
    )


def _processes(view: View) -> set[int]:
    """Those whose end is to be noticed: of live panes, and of the tmux server."""
    sessions = view.sight.observed.sessions.values()
    live = [one for many in sessions for one in many if not one.dead]
    pids = {one.pid for one in live if one.pid is not None}
    return pids | ({view.sight.server_pid} if view.sight.server_pid else set())
